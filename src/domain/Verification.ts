/** Which provider's signature a stream asks of what arrives and is no event. */
import { Schema } from "effect"
import type { Control } from "./Control.ts"
import { SecretName } from "./Control.ts"
import { EventType } from "./EventType.ts"

export const Verification = Schema.Struct({
  provider: Schema.Literals(["slack", "github", "stripe", "standard-webhooks"]),
  secret: SecretName
})
export type Verification = typeof Verification.Type

export const VerificationConfigured = EventType.make("webhook/verification-configured", Verification)

export const controls: ReadonlyArray<Control> = [{
  eventType: VerificationConfigured,
  appendedBy: "client",
  description: "From here on what arrives and is no event must carry the provider's signature",
  example: { provider: "github", secret: "github" }
}]

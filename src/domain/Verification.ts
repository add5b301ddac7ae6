/**
 * Which provider's signature a stream asks of what arrives and is no event. Known limit: no provider signs the URL, so
 * who has a delivery chooses with `?as=` what it is recorded as; whoever minds that reads `webhook/received`.
 */
import { Schema } from "effect"
import type { Control } from "./Control.ts"
import { SecretName } from "./Control.ts"
import { EventType } from "./EventType.ts"

export const Verification = Schema.Struct({
  provider: Schema.Literals(["slack", "github", "stripe", "standard-webhooks"]),
  secret: SecretName
})
export type Verification = typeof Verification.Type

export const VerificationConfigured = EventType.make(
  "webhook/verification-configured",
  Schema.Union([
    Schema.Struct({ enabled: Schema.Literal(false) }),
    Schema.Struct({ enabled: Schema.optionalKey(Schema.Literal(true)), ...Verification.fields })
  ])
)

export const controls: ReadonlyArray<Control> = [{
  eventType: VerificationConfigured,
  appendedBy: "client",
  description: "From here on what arrives and is no event must carry the provider's signature, " +
    "or with `enabled: false` none",
  example: { provider: "github", secret: "github" }
}]

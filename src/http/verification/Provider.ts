/** Who signs deliveries, and how each of them does it: as data, so that one place compares signatures and times. */
import type { Result } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import type { Verification } from "../../domain/Verification.ts"
import type { Delivery } from "./Delivery.ts"
import { gitHub } from "./GitHub.ts"
import { slack } from "./Slack.ts"
import { standardWebhooks } from "./StandardWebhooks.ts"
import { stripe } from "./Stripe.ts"

/** What a delivery says of its signature. */
export interface Signed {
  /** HMACs by SHA-256, of which one must fit; several are sent while a provider changes its secret. */
  readonly signatures: ReadonlyArray<Uint8Array>
  /** What the HMAC is of, in parts. */
  readonly text: ReadonlyArray<string | Uint8Array>
  /** When it was signed, in seconds since 1970; none where the provider signs no time. */
  readonly at: number | undefined
}

export interface Provider {
  /** As people write it. */
  readonly name: string
  /** Fails with what is missing or malformed, as a sentence. */
  readonly signed: (delivery: Delivery) => Result.Result<Signed, string>
  /** The key that a secret stands for; none where it is no secret of this provider. */
  readonly key: (secret: string) => Uint8Array | undefined
  /** What all retries of a delivery have in common; none where the provider names nothing. */
  readonly id: (delivery: Delivery) => string | undefined
  /** What the provider wants to hear instead of what was recorded. */
  readonly answer?: (delivery: Delivery) => JsonText | undefined
}

export const providers: { readonly [Name in Verification["provider"]]: Provider } = {
  slack,
  github: gitHub,
  stripe,
  "standard-webhooks": standardWebhooks
}

/**
 * Verifies deliveries with the secrets of this server. What is wrong with those is logged once for each, and told to
 * clients only. Known limit: a value of a secret holds no white space.
 */
import { Clock, Effect, Redacted } from "effect"
import { Secrets, variableOf } from "../../builtin/Secrets.ts"
import { Unauthorized, Unavailable } from "../../domain/StreamError.ts"
import type { Verification } from "../../domain/Verification.ts"
import type { Delivery } from "./Delivery.ts"
import { providers } from "./Provider.ts"
import * as Signature from "./Signature.ts"

/** Seconds after which a sender may try again what this server has no secret for: a person must set it first. */
const retryAfterSeconds = 60
/** Bound of what is remembered as logged, in secrets: far more than a server has, and a client may name any. */
const mostLogged = 1_000

/** Of the process, since each door that deliveries come in by has a verifier of its own. */
const logged = new Set<string>()

const logOnce = (reason: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (logged.has(reason) || logged.size >= mostLogged) return Effect.void
    logged.add(reason)
    return Effect.logWarning(reason)
  })

export interface Verifier {
  /**
   * Fails with why the delivery is refused. Where the server lacks the secret that is its own fault, and may pass; only
   * a client hears which.
   */
  readonly verify: (
    verification: Verification,
    delivery: Delivery,
    options: { readonly isClient: boolean }
  ) => Effect.Effect<void, Unauthorized | Unavailable>
}

export const make = Effect.gen(function*() {
  const secrets = yield* Secrets
  const verifier: Verifier = {
    verify: Effect.fnUntraced(function*({ provider: name, secret }, delivery, { isClient }) {
      const provider = providers[name]
      const values = yield* secrets.get(secret)
      // Any of several verifies, so that a secret can be changed while deliveries are under way.
      const keys = values.flatMap((value) => provider.key(Redacted.value(value)) ?? [])
      if (keys.length === 0) {
        const problem = values.length === 0 ? "is not set" : `is no secret of ${provider.name}`
        const missing = `${variableOf(secret)} ${problem} on this server`
        const reason = `${missing}, so what ${provider.name} signed can not be verified`
        yield* logOnce(reason)
        const plain = `This server can not verify what ${provider.name} signed: its log says what is missing`
        return yield* new Unavailable({ reason: isClient ? reason : plain, retryAfterSeconds })
      }
      const problem = Signature.judge(provider, delivery, keys, yield* Clock.currentTimeMillis)
      if (problem !== undefined) {
        return yield* new Unauthorized({ reason: `This stream takes only what ${provider.name} signed: ${problem}` })
      }
    })
  }
  return verifier
})

/** Senders that follow standardwebhooks.com. Known limit: secrets only, no public keys (`v1a`). */
import { Result } from "effect"
import { header, required, seconds } from "./Delivery.ts"
import type { Provider } from "./Provider.ts"
import * as Signature from "./Signature.ts"

const idHeader = "webhook-id"
const prefix = "whsec_"

export const standardWebhooks: Provider = {
  name: "a sender of Standard Webhooks",
  signed: (delivery) =>
    Result.gen(function*() {
      const id = yield* required(delivery, idHeader)
      const time = yield* required(delivery, "webhook-timestamp")
      const signatures = yield* required(delivery, "webhook-signature")
      return {
        signatures: signatures.split(" ").flatMap((each) =>
          each.startsWith("v1,") ? Signature.fromBase64(each.slice(3)) : []),
        text: [`${id}.${time}.`, delivery.body],
        at: yield* seconds(time)
      }
    }),
  key: (secret) => {
    const text = secret.startsWith(prefix) ? secret.slice(prefix.length) : secret
    return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : undefined
  },
  id: (delivery) => header(delivery, idHeader)
}

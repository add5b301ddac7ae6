/**
 * Slack: events, commands and interactions are signed alike, over the body as it was sent. Known limits: neither the
 * headers that tell of a retry nor the URL are signed; a command that Slack sent twice would be recorded twice, since
 * only events have an id; the verification token that Slack has given up is not looked at.
 */
import { Result } from "effect"
import { hash } from "node:crypto"
import { header, required, seconds, textIn } from "./Delivery.ts"
import type { Provider } from "./Provider.ts"
import * as Signature from "./Signature.ts"

export const slack: Provider = {
  name: "Slack",
  signed: (delivery) =>
    Result.gen(function*() {
      const signature = yield* required(delivery, "X-Slack-Signature")
      const time = yield* required(delivery, "X-Slack-Request-Timestamp")
      return {
        signatures: signature.startsWith("v0=") ? Signature.fromHex(signature.slice(3)) : [],
        text: [`v0:${time}:`, delivery.body],
        at: yield* seconds(time)
      }
    }),
  key: (secret) => Buffer.from(secret),
  // Of what has none the signature, so that whoever has seen it can not have it recorded again within its five minutes.
  id: (delivery) => {
    const id = textIn(delivery, "event_id")
    if (id !== undefined) return id
    const signature = header(delivery, "X-Slack-Signature")
    return signature === undefined ? undefined : hash("sha256", signature.toLowerCase())
  },
  answer: (delivery) => {
    const challenge = textIn(delivery, "type") === "url_verification" ? textIn(delivery, "challenge") : undefined
    return challenge === undefined ? undefined : JSON.stringify({ challenge })
  }
}

/** Slack: events, commands and interactions are signed alike, over the body as it was sent. */
import { Result } from "effect"
import { required, seconds, textIn } from "./Delivery.ts"
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
  // Of events only: commands and interactions are sent once.
  id: (delivery) => textIn(delivery, "event_id"),
  answer: (delivery) => {
    const challenge = textIn(delivery, "type") === "url_verification" ? textIn(delivery, "challenge") : undefined
    return challenge === undefined ? undefined : JSON.stringify({ challenge })
  }
}

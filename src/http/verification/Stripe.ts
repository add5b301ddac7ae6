/** Stripe: one header holds the time and a signature for each secret that is valid. */
import { Result } from "effect"
import { required, seconds, textIn } from "./Delivery.ts"
import type { Provider } from "./Provider.ts"
import * as Signature from "./Signature.ts"

/** The values that a name has in `t=1,v1=a,v1=b`. */
const valuesOf = (text: string, name: string): ReadonlyArray<string> =>
  text.split(",").flatMap((pair) => pair.trim().startsWith(`${name}=`) ? pair.trim().slice(name.length + 1) : [])

export const stripe: Provider = {
  name: "Stripe",
  signed: (delivery) =>
    Result.flatMap(required(delivery, "Stripe-Signature"), (text) => {
      const [time = ""] = valuesOf(text, "t")
      return Result.map(seconds(time), (at) => ({
        signatures: valuesOf(text, "v1").flatMap(Signature.fromHex),
        text: [`${time}.`, delivery.body],
        at
      }))
    }),
  // The prefix `whsec_` is a part of it.
  key: (secret) => Buffer.from(secret),
  id: (delivery) => textIn(delivery, "id")
}

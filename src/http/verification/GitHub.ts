/**
 * GitHub, which signs the body and nothing else. Known limit: whoever has a delivery can send it again at any time, and
 * as a new one, since neither its time nor its id is signed.
 */
import { Result } from "effect"
import { header, required } from "./Delivery.ts"
import type { Provider } from "./Provider.ts"
import * as Signature from "./Signature.ts"

export const gitHub: Provider = {
  name: "GitHub",
  signed: (delivery) =>
    Result.map(required(delivery, "X-Hub-Signature-256"), (signature) => ({
      signatures: signature.startsWith("sha256=") ? Signature.fromHex(signature.slice(7)) : [],
      text: [delivery.body],
      at: undefined
    })),
  key: (secret) => Buffer.from(secret),
  id: (delivery) => header(delivery, "X-GitHub-Delivery")
}

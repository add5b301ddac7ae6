/**
 * Inputs that kept a quick expression from its end: one event makes many filters hang that are alike, and the next one
 * need not be tried beside those that are quick.
 */
import { hash } from "node:crypto"
import type { JsonText } from "../domain/EventText.ts"

/** How long behind the last one they are known, in milliseconds: so long those of a stream come to that event. */
const knownMillis = 60_000
/** Most inputs that are known; then the oldest is forgotten. 1 MiB. */
const maxKnown = 5_000

const nameOf = (input: JsonText): string => hash("sha256", input, "base64")

export class JsonataSuspects {
  private readonly known = new Set<string>()
  private until = 0

  add(inputs: ReadonlyArray<JsonText>, now: number): void {
    this.until = now + knownMillis
    for (const input of inputs) {
      this.known.add(nameOf(input))
      const [oldest] = this.known
      if (this.known.size > maxKnown && oldest !== undefined) this.known.delete(oldest)
    }
  }

  /** Whether one of them is known. */
  has(inputs: ReadonlyArray<JsonText>, now: number): boolean {
    if (now >= this.until) this.known.clear()
    return this.known.size > 0 && inputs.some((input) => this.known.has(nameOf(input)))
  }
}

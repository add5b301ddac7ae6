/** Lines off the wire, each complete: what is left after the last line feed when a connection ends was cut. */
import { Effect, Stream } from "effect"

/** Splits at line feeds alone, since JSON and YAML may hold other separators. `cut` is how an unfinished line fails. */
export const fromBytes = <E, R, Cut>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  cut: () => Cut
): Stream.Stream<string, E | Cut, R> =>
  Stream.suspend(() => {
    // Pieces of the unfinished line, joined once when it ends, so that a long line costs no more than its length.
    let pieces: Array<string> = []
    const split = (text: string): ReadonlyArray<string> => {
      const parts = text.split("\n")
      const last = parts.pop() ?? ""
      const first = parts[0]
      if (first !== undefined) {
        parts[0] = pieces.length === 0 ? first : pieces.join("") + first
        pieces = []
      }
      if (last !== "") pieces.push(last)
      return parts
    }
    return bytes.pipe(
      Stream.decodeText,
      Stream.map(split),
      Stream.flattenIterable,
      Stream.concat(Stream.suspend(() => pieces.length === 0 ? Stream.empty : Stream.fromEffect(Effect.fail(cut()))))
    )
  })

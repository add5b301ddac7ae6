/** Calls that are safe to repeat, tried again while the server is away. */
import { Effect, Random } from "effect"
import type { StreamError } from "../domain/StreamError.ts"
import * as Backoff from "./Backoff.ts"

/** At most so many tries, as patiently as `Backoff` and the server say. */
export const persistently = (attempts: number) =>
<A>(call: Effect.Effect<A, StreamError>): Effect.Effect<A, StreamError> => {
  const from = (failures: number): Effect.Effect<A, StreamError> =>
    Effect.catchIf(
      call,
      (error) => error._tag === "Unavailable" && failures < attempts,
      (error) =>
        Random.next.pipe(
          Effect.flatMap((random) => {
            const asked = error._tag === "Unavailable" ? error.retryAfterSeconds : 0
            return Effect.sleep(Backoff.delay(failures, random, asked))
          }),
          Effect.andThen(Effect.suspend(() => from(failures + 1)))
        )
    )
  return from(1)
}

/**
 * One stream out of many connections. After each that ends or breaks it waits, longer each time that nothing came, and
 * connects again; where the new one begins is the caller's to say, who knows what has been delivered.
 */
import { Effect, Random, Stream } from "effect"
import { Unavailable } from "../domain/StreamError.ts"
import type { StreamError } from "../domain/StreamError.ts"
import * as Backoff from "./Backoff.ts"

export interface Options<A> {
  /** Opens a connection. `Unavailable` means that another one may help; any other error ends the stream. */
  readonly connect: Effect.Effect<Stream.Stream<A, StreamError>, StreamError>
  /** Whether nothing follows this item. It is passed on. */
  readonly isLast: (item: A) => boolean
  /**
   * Whether it gives up after `attempts` connections in a row that brought nothing: `before` the first item only,
   * or `always`. A tail that was connected once waits for its server however long; a read does not.
   */
  readonly givesUp: "before" | "always"
  readonly attempts: number
}

const closed = new Unavailable({ reason: "The server closed the connection", retryAfterSeconds: 1 })

/** The items of all connections, in order, until the last one. */
export const resuming = <A>({ attempts, connect, givesUp, isLast }: Options<A>): Stream.Stream<A, StreamError> =>
  Stream.suspend(() => {
    let delivered = false
    let failures = 0
    let retryAfterSeconds = 0

    const lost = (error: Unavailable): Stream.Stream<never, StreamError> => {
      failures += 1
      return failures >= attempts && (givesUp === "always" || !delivered)
        ? Stream.fail(error)
        : Stream.fromEffectDrain(Effect.logDebug(`Resuming: ${error.reason}`))
    }

    const connection = Stream.unwrap(connect.pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          // Only a server that answered can ask for patience; one that broke off is tried again soon.
          retryAfterSeconds = error._tag === "Unavailable" ? error.retryAfterSeconds : 0
        })
      )
    )).pipe(
      Stream.map((item) => {
        delivered = true
        failures = 0
        retryAfterSeconds = 0
        return item
      }),
      Stream.concat(Stream.fail(closed)),
      Stream.catch((error) => error._tag === "Unavailable" ? lost(error) : Stream.fail(error))
    )

    const wait = Effect.gen(function*() {
      if (failures === 0) return
      yield* Effect.sleep(Backoff.delay(failures, yield* Random.next, retryAfterSeconds))
    })

    return Stream.fromEffectRepeat(wait).pipe(
      Stream.flatMap(() => connection),
      Stream.takeUntil(isLast)
    )
  })

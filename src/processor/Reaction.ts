/** What happens after an event: a hook, tried until one attempt succeeds; what only that one emitted counts. */
import { Cause, Effect } from "effect"
import type { Schedule, Scope } from "effect"
import { maxBatch, maxRequestBytes } from "../domain/Bounds.ts"
import { PayloadTooLarge } from "../domain/StreamError.ts"
import type { InvalidEvent } from "../domain/StreamError.ts"
import type { AppendRequest } from "../log/EventStore.ts"
import * as Emission from "./Emission.ts"
import type { HookTools } from "./Folding.ts"
import type { TakeTurn } from "./HookTurns.ts"

export interface Options {
  readonly origin: Emission.Origin
  readonly hook: (tools: HookTools) => Effect.Effect<unknown, unknown, Scope.Scope>
  readonly maxHops: number
  readonly retry: Schedule.Schedule<unknown, unknown>
  /** Each attempt waits for one; between two it has none. */
  readonly takeTurn: TakeTurn
  /** Hears that an attempt failed. */
  readonly onFailed: Effect.Effect<void>
}

/** Runs the hook; its appends, or what the last attempt failed with. */
export const react = ({ hook, maxHops, onFailed, origin, retry, takeTurn }: Options): Effect.Effect<
  ReadonlyArray<AppendRequest>,
  unknown
> => {
  const attempt = Effect.suspend(() => {
    const appends: Array<AppendRequest> = []
    let bytes = 0
    let refused: InvalidEvent | PayloadTooLarge | undefined
    const tools: HookTools = {
      streamPath: origin.path,
      // A name has no slash, so no two of these are equal.
      idempotencyKey: `${origin.processor}${origin.path}/${origin.offset}`,
      emit: (event, { streamPath } = {}) =>
        Effect.flatMap(Effect.result(Emission.append(origin, event, streamPath, maxHops)), (result) => {
          if (result._tag === "Success") {
            if (result.success === undefined) return Effect.void
            appends.push(result.success)
            bytes += Emission.sizeOf(result.success)
            if (appends.length > maxBatch) refused ??= tooMany
            if (bytes > maxRequestBytes) refused ??= tooLarge
          } else if (result.failure._tag === "InvalidPath") return Effect.fail(result.failure)
          else refused ??= result.failure
          return Effect.void
        })
    }
    return takeTurn(Effect.scoped(Effect.suspend(() => hook(tools)))).pipe(
      // One that is stopped from outside does not come here; one that throws, or stops itself, has failed.
      Effect.catchCause((cause) => Effect.fail(Cause.hasInterruptsOnly(cause) ? stopped : Cause.squash(cause))),
      Effect.andThen(Effect.suspend(() => refused === undefined ? Effect.succeed(appends) : Effect.fail(refused)))
    )
  })
  return Effect.catch(attempt, (error) => {
    // The schedule sees the first failure too, and is begun only here: it costs as much as a short hook.
    let next: typeof attempt = Effect.fail(error)
    const again = Effect.suspend(() => {
      const now = next
      next = attempt
      return now
    })
    return again.pipe(Effect.tapError(() => onFailed), Effect.retry(retry))
  })
}

const stopped = new Error("The hook interrupted itself")
const tooMany = new PayloadTooLarge({ limit: maxBatch, reason: `A hook emits at most ${maxBatch} events` })
const tooLarge = new PayloadTooLarge({
  limit: maxRequestBytes,
  reason: `What a hook emits has at most ${maxRequestBytes} bytes`
})

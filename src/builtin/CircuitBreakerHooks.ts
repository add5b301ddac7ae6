/**
 * Ends the circuit breaker's pauses when their time has come. It never ends another pause, such as a person's who
 * resumed the stream and paused it by hand meanwhile: it resumes right behind what it has looked at, or looks again.
 */
import { DateTime, Duration, Effect, Metric } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import { EventStore } from "../log/EventStore.ts"
import * as Outage from "../log/Outage.ts"
import { CircuitBreaker } from "./CircuitBreaker.ts"
import { sleepUntil } from "./Until.ts"

const trips = Metric.counter("millstream_circuit_breaker_trips_total", {
  description: "Pauses that the circuit breaker made since the server began",
  incremental: true
})
const resumptions = Metric.counter("millstream_circuit_breaker_resumptions_total", {
  description: "Pauses of the circuit breaker that ended by themselves",
  incremental: true
})

export const layer = CircuitBreaker.toLayer(Effect.gen(function*() {
  const store = yield* EventStore
  const began = yield* DateTime.now

  /** Up to where the stream is known to be in the pause that begins at an offset; none once it is not any more. */
  const lastOf = Effect.fnUntraced(function*(path: StreamPath, pause: number) {
    for (let after = pause;;) {
      const page = yield* store.read(path, { after, types: [Control.Resumed.type] }).pipe(Effect.retry(Outage.pauses))
      if (page.lines.length > 0) return undefined
      if (page.last >= page.head) return page.last
      after = page.last
    }
  })

  return CircuitBreaker.of({
    afterAppend: {
      // The first start on a log looks at all its history: what tripped long ago was counted, or never will be.
      "stream/paused": ({ createdAt, payload }) =>
        payload.by === Control.circuitBreaker && DateTime.isGreaterThanOrEqualTo(createdAt, began)
          ? Metric.update(trips, 1)
          : Effect.void
    },
    fibers: {
      resume: {
        whilePaused: true,
        run: ({ at, offset, resumeAfterMillis }, { append, streamPath }) =>
          Effect.gen(function*() {
            yield* sleepUntil(DateTime.toEpochMillis(at) + resumeAfterMillis)
            const path = StreamPath.make(streamPath)
            const reason = `resumeAfter: ${Duration.format(Duration.millis(resumeAfterMillis))}`
            for (let isOver = false; !isOver;) {
              const last = yield* lastOf(path, offset)
              if (last === undefined) return
              const resumed = Control.Resumed.make({ reason, by: Control.circuitBreaker }, { offset: last + 1 })
              isOver = yield* append(resumed, { byServer: true }).pipe(
                // Together: the event that it appends ends this fiber.
                Effect.andThen(Effect.as(Metric.update(resumptions, 1), true)),
                Effect.uninterruptible,
                // A paused stream takes the server's own events, and a person's resumption.
                Effect.catchTag("OffsetMismatch", () => Effect.succeed(false))
              )
            }
          })
      }
    }
  })
}), { startFrom: "start" })

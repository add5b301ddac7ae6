/** One beat for all open answers, so that a thousand quiet tails cost one timer. */
import { Context, Effect, Layer, Schedule } from "effect"

/** Every proxy in use lets a connection be quiet for longer than this. */
const every = "15 seconds"

export class Heartbeat extends Context.Service<Heartbeat, {
  /** Calls the function at each beat until the scope closes. */
  readonly onBeat: (beat: () => void) => () => void
}>()("millstream/http/Heartbeat") {
  static readonly layer = Layer.effect(
    Heartbeat,
    Effect.gen(function*() {
      const beats = new Set<() => void>()
      yield* Effect.sync(() => beats.forEach((beat) => beat())).pipe(
        Effect.schedule(Schedule.spaced(every)),
        Effect.forkScoped
      )
      return Heartbeat.of({
        onBeat: (beat) => {
          beats.add(beat)
          return () => beats.delete(beat)
        }
      })
    })
  )
}

/**
 * The state of a processor at any offset, folded from the log: what it was, which work it asked for, and how it
 * changed. Nothing is run. An event at which the reducer threw, and which nobody passed over, is where it stops.
 */
import { Context, Duration, Effect, JsonPatch, Layer, Option, Schema, Semaphore } from "effect"
import { maxPatches } from "../domain/Bounds.ts"
import type { Event } from "../domain/Event.ts"
import type { JsonText } from "../domain/EventText.ts"
import * as EventText from "../domain/EventText.ts"
import { InvalidRequest, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import type { Asked, Folding } from "./Folding.ts"
import type { Any } from "./Processor.ts"

/** Folding history costs the processor that appends need too. */
const atOnce = 2
const patience = Duration.seconds(30)

/** A processor on a stream as of an offset. */
export interface Past {
  /** Of the last event that is folded. */
  readonly offset: number
  readonly state: JsonText
  /** Which work the state asked for. */
  readonly asked: ReadonlyArray<Asked>
  /** Where folding stopped, and why. */
  readonly stopped: { readonly offset: number; readonly error: string } | undefined
}

export interface Patch {
  readonly offset: number
  readonly patch: JsonPatch.JsonPatch
}

export class TimeTravel extends Context.Service<TimeTravel, {
  /** As of an offset; one behind the stream's head means the head. */
  readonly at: (processor: Any, path: StreamPath, offset: number) => Effect.Effect<Past, Unavailable>
  /** How the state changed behind `from` up to `to`, one entry for each event that the processor consumes. */
  readonly between: (
    processor: Any,
    path: StreamPath,
    from: number,
    to: number
  ) => Effect.Effect<ReadonlyArray<Patch>, Unavailable | InvalidRequest>
}>()("millstream/processor/TimeTravel") {
  static readonly layer = Layer.effect(TimeTravel, Effect.suspend(() => make))
}

/** A folding on its way through history. */
interface Journey {
  readonly folding: Folding
  /** Events that a person passed over. */
  readonly skipped: ReadonlySet<number>
  offset: number
  stopped: Past["stopped"]
}

const decodeState = Schema.decodeSync(Schema.fromJsonString(Schema.Json))

const make = Effect.gen(function*() {
  const store = yield* EventStore
  const checkpoints = yield* Checkpoints
  const directory = yield* Directory
  const travelling = yield* Semaphore.make(atOnce)

  /** The nearest state that was kept, or the beginning. */
  const depart = Effect.fnUntraced(function*(processor: Any, path: StreamPath, offset: number) {
    const head = yield* directory.describe(path)
    const life = Option.match(head, { onNone: () => undefined, onSome: ({ id }) => id })
    const kept = life === undefined
      ? Option.none()
      : yield* checkpoints.snapshot(processor.name, processor.version, life, offset)
    const instance = (yield* checkpoints.instancesOn(path)).get(processor.name)
    const journey: Journey = {
      folding: processor.fold(Option.getOrUndefined(kept)),
      skipped: new Set(instance?.skipped),
      offset: Option.match(kept, { onNone: () => 0, onSome: ({ offset }) => offset }),
      stopped: undefined
    }
    return journey
  })

  /** Folds up to an offset; `visit` hears of each folded event. */
  const travel = Effect.fnUntraced(function*(
    processor: Any,
    path: StreamPath,
    journey: Journey,
    to: number,
    visit: (offset: number) => void = () => undefined
  ) {
    const names = processor.consumes.map(({ type }) => type)
    const types = names.includes("*") ? undefined : names
    while (journey.offset < to && journey.stopped === undefined) {
      const page = yield* store.read(path, { after: journey.offset, before: to + 1, types })
      for (const line of page.lines) {
        const event = EventText.decode(line)
        if (!step(journey, event)) return journey
        visit(event.offset)
      }
      journey.offset = Math.max(journey.offset, page.last)
      if (page.last >= Math.min(page.head, to)) break
      // Requests are served between pages.
      yield* Effect.yieldNow
    }
    return journey
  })

  const bounded = <A, E>(effect: Effect.Effect<A, E>) =>
    travelling.withPermit(effect).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () =>
          Effect.fail(
            new Unavailable({
              reason: `Folding the state took longer than ${Duration.toSeconds(patience)} s; ask for it again later`,
              retryAfterSeconds: Duration.toSeconds(patience)
            })
          )
      })
    )

  return TimeTravel.of({
    at: (processor, path, offset) =>
      bounded(Effect.gen(function*() {
        const { folding, ...journey } = yield* travel(processor, path, yield* depart(processor, path, offset), offset)
        const asked = [...folding.asked().values()]
        return { offset: journey.offset, state: folding.state(), asked, stopped: journey.stopped }
      })),
    between: (processor, path, from, to) => {
      if (from > to || to - from > maxPatches) {
        return Effect.fail(
          new InvalidRequest({ reason: `\`to\` must be at least \`from\`, and at most ${maxPatches} more` })
        )
      }
      return bounded(Effect.gen(function*() {
        const journey = yield* travel(processor, path, yield* depart(processor, path, from), from)
        const patches: Array<Patch> = []
        let before = decodeState(journey.folding.state())
        yield* travel(processor, path, journey, to, (offset) => {
          const after = decodeState(journey.folding.state())
          patches.push({ offset, patch: JsonPatch.get(before, after) })
          before = after
        })
        return patches
      }))
    }
  })
})

/** Folds one event; false where the reducer threw and nobody has passed over it. */
const step = (journey: Journey, event: Event): boolean => {
  try {
    journey.folding.step(event)
  } catch (error) {
    if (!journey.skipped.has(event.offset)) {
      journey.stopped = { offset: event.offset, error: error instanceof Error ? error.message : String(error) }
      return false
    }
  }
  journey.offset = event.offset
  return true
}

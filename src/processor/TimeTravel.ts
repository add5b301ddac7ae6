/**
 * The state of a processor at any offset, folded from the log: what it was, which work it asked for, and how it
 * changed. Nothing is run. An event at which the definition threw, and which nobody passed over, is where it stops.
 * It folds between requests, some milliseconds at a time; a single event whose folding takes longer holds them up.
 */
import { Context, Duration, Effect, JsonPatch, Layer, Option, Schema, Semaphore } from "effect"
import { maxPatches } from "../domain/Bounds.ts"
import type { JsonText } from "../domain/EventText.ts"
import * as EventText from "../domain/EventText.ts"
import { InvalidRequest, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import * as ErrorText from "./ErrorText.ts"
import type { Asked, Folding, Frozen } from "./Folding.ts"
import type { Any } from "./Processor.ts"

/** Folding history costs the processor that appends need too. */
const atOnce = 2
const patience = Duration.seconds(30)
/** Time of folding after which requests get their turn, in milliseconds: they shall not feel it. */
const turn = 5
/** Bound of one answer's patches, in characters: it is held in memory. */
const maxPatchText = 16 * 1024 * 1024

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

/** A folding on its way through history, and what it has come to. */
interface Journey {
  readonly folding: Folding
  /** Events that a person passed over. */
  readonly skipped: ReadonlySet<number>
  offset: number
  state: Frozen
  asked: ReadonlyMap<string, Asked>
  stopped: Past["stopped"]
}

/** Hears of each state on the way; one that it throws at is where the journey stops. */
type Visit = (state: Frozen, offset: number) => void

const decodeState = Schema.decodeSync(Schema.fromJsonString(Schema.Json))

const make = Effect.gen(function*() {
  const store = yield* EventStore
  const checkpoints = yield* Checkpoints
  const directory = yield* Directory
  const travelling = yield* Semaphore.make(atOnce)

  /** The nearest state that was kept, or the beginning. */
  const depart = Effect.fnUntraced(function*(processor: Any, path: StreamPath, offset: number, visit?: Visit) {
    const head = yield* directory.describe(path)
    const life = Option.match(head, { onNone: () => undefined, onSome: ({ id }) => id })
    const kept = life === undefined
      ? Option.none()
      : yield* checkpoints.snapshot(processor.name, processor.version, life, offset)
    const instance = (yield* checkpoints.instancesOn(path)).get(processor.name)
    const skipped = new Set(instance?.skipped)
    const begin = (folding: Folding, offset: number): Journey => {
      const journey: Journey =
        { folding, skipped, offset, state: folding.freeze(), asked: new Map(), stopped: undefined }
      take(journey, offset, () => arrive(journey, offset, visit))
      return journey
    }
    // A state that was kept and that the schema does not read any more is one to be folded again.
    return kept.pipe(
      Option.flatMap((each) => Option.liftThrowable(() => begin(processor.fold(each), each.offset))()),
      Option.getOrElse(() => begin(processor.fold(), 0))
    )
  })

  /** Folds up to an offset. */
  const travel = Effect.fnUntraced(function*(
    processor: Any,
    path: StreamPath,
    journey: Journey,
    to: number,
    visit?: Visit
  ) {
    const names = processor.consumes.map(({ type }) => type)
    const types = names.includes("*") ? undefined : names
    let since = performance.now()
    while (journey.offset < to && journey.stopped === undefined) {
      const page = yield* store.read(path, { after: journey.offset, before: to + 1, types })
      for (const line of page.lines) {
        const event = EventText.decode(line)
        const isFolded = take(journey, event.offset, () => {
          journey.folding.step(event, journey.skipped.has(event.offset))
          arrive(journey, event.offset, visit)
        })
        if (!isFolded) return journey
        if (performance.now() - since < turn) continue
        yield* Effect.yieldNow
        since = performance.now()
      }
      journey.offset = Math.max(journey.offset, page.last)
      if (page.last >= Math.min(page.head, to)) break
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
        const fold = (visit?: Visit) =>
          Effect.flatMap(depart(processor, path, offset, visit), (journey) =>
            travel(processor, path, journey, offset, visit))
        const journey = yield* fold()
        // Where the state does not fit its schema, the event that made it so is found by writing each.
        return tell(Option.isSome(write(journey.state)) ? journey : yield* fold((state) => void state.text()))
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
        let length = 0
        let before = decodeState(textOf(journey.state))
        yield* travel(processor, path, journey, to, (state, offset) => {
          const after = decodeState(state.text())
          const patch = JsonPatch.get(before, after)
          length += JSON.stringify(patch).length
          if (length > maxPatchText) throw new RangeError("These are more patches than one answer holds")
          patches.push({ offset, patch })
          before = after
        })
        if (length <= maxPatchText) return patches
        return yield* new InvalidRequest({
          reason: `The patches up to \`to\` have more than ${maxPatchText} characters: ask for fewer at a time`
        })
      }))
    }
  })
})

/** Goes on; false where the definition threw at an event that nobody has passed over. */
const take = (journey: Journey, offset: number, go: () => void): boolean => {
  try {
    go()
  } catch (error) {
    if (!journey.skipped.has(offset)) {
      journey.stopped = { offset, error: ErrorText.describe(error) }
      return false
    }
  }
  journey.offset = offset
  return true
}

/** What was folded counts once the definition has said all about it without throwing. */
const arrive = (journey: Journey, offset: number, visit?: Visit): void => {
  const state = journey.folding.freeze()
  const asked = journey.folding.asked()
  visit?.(state, offset)
  journey.state = state
  journey.asked = asked
}

const write = Option.liftThrowable((state: Frozen) => state.text())

/** `null` where not even the first state fits its schema. */
const textOf = (state: Frozen): JsonText => Option.getOrElse(write(state), () => "null")

const tell = ({ asked, offset, state, stopped }: Journey): Past => ({
  offset,
  state: textOf(state),
  asked: [...asked.values()],
  stopped
})

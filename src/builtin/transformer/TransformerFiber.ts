/**
 * One transformer at work on its stream: it follows the events behind its cursor, asks for those that match, and
 * appends what they become, together with the cursor that passes them. So each is transformed once, in
 * order, whatever is killed. A target that is paused is waited for.
 */
import { Effect, Metric, Result, Schema } from "effect"
import type { Event } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import { EventType } from "../../domain/EventType.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import type { EventStore } from "../../log/EventStore.ts"
import * as Growth from "../../log/Growth.ts"
import { Tail } from "../../log/Tail.ts"
import * as Outage from "../../log/Outage.ts"
import type { Evaluated, Jsonata } from "../Jsonata.ts"
import { isTrue } from "../Jsonata.ts"
import type { Configuration } from "./Transformer.ts"
import { Failures } from "./TransformerFailures.ts"
import * as Output from "./TransformerOutput.ts"
import type { Tools } from "./TransformerPosition.ts"
import { Position } from "./TransformerPosition.ts"

/** Events that are matched at once: enough to amortise the way to JSONata and back, few enough to go on soon. */
const matchedAtOnce = 100
/** Events that are transformed at once: what they become is held together, 1 MiB each at most. */
const transformedAtOnce = 20
/** Behind so many characters what events became is recorded; else together. */
const togetherLength = 262_144
/** Pauses between tries while a target is paused, unless it grows, in milliseconds. */
const leastWait = 100
const longestWait = 10_000

const transformed = Metric.counter("millstream_transformations_total", {
  description: "Events of which a transformer made others, and recorded them",
  incremental: true
})

export interface Services {
  readonly store: EventStore["Service"]
  readonly growth: Growth.Growth["Service"]
  readonly jsonata: Jsonata["Service"]
}

const isPassing = ({ _tag }: { readonly _tag: string }): boolean => _tag === "StreamPaused" || _tag === "Unavailable"

/** What an event became. */
interface Made {
  readonly event: Event
  readonly derived: ReadonlyArray<Output.Derived>
}

/** Follows the stream for as long as it is wanted. */
export const run = ({ growth, jsonata, store }: Services) =>
  Effect.fnUntraced(function*(configuration: Configuration, tools: Tools) {
    const { matcher, since, transform } = configuration
    const slug = tools.key
    const path = StreamPath.make(tools.streamPath)
    const target = configuration.streamPath ?? path
    // What stood there before it was removed, and configured anew, is passed.
    const position = yield* Position.open(tools, since)
    const failures = yield* Failures.open(tools, position)

    /** Appends as soon as the stream takes it. */
    const patiently = Effect.fnUntraced(function*<A, E extends { readonly _tag: string }>(append: Effect.Effect<A, E>) {
      for (let wait = leastWait;; wait = Math.min(2 * wait, longestWait)) {
        const result = yield* Effect.result(append)
        if (Result.isSuccess(result) || !isPassing(result.failure)) return result
        yield* Effect.timeoutOption(Growth.next(growth, target), wait)
      }
    })

    /** What an event became, with the event as its cause. */
    const appendsOf = ({ derived, event }: Made) =>
      derived.map(({ metadata, payload = {}, type }, index) => ({
        event: EventType.make(type, Schema.Json).make(payload, {
          idempotencyKey: Output.key(slug, path, event.offset, index, target),
          ...(metadata === undefined ? {} : { metadata })
        }),
        streamPath: target,
        answering: Output.answered(event, target)
      }))

    /** Records what events became together; where that is refused one by one, so that only the culprit fails. */
    const append = (all: ReadonlyArray<Made>): Effect.Effect<void> =>
      Effect.gen(function*() {
        const [first] = all
        const last = all.at(-1)
        if (first === undefined || last === undefined) return
        const recorded = yield* patiently(position.commit(last.event.offset, all.flatMap(appendsOf), last.event))
        if (Result.isSuccess(recorded)) {
          yield* Metric.update(transformed, all.length)
          return yield* failures.over
        }
        if (all.length === 1) return yield* failures.at(first.event, recorded.failure.message)
        yield* Effect.forEach(all, (each) => append([each]), { discard: true })
      })

    /** Whether it is an event that it did not make itself. */
    const isForeign = (line: EventText.JsonText): boolean =>
      !Output.mayBeOwn(line) || !Output.isOwn(EventText.decode(line), slug)

    const take = Effect.fnUntraced(function*(lines: ReadonlyArray<EventText.JsonText>) {
      if (lines.length === 0) return
      const all = (yield* jsonata.evaluate(matcher, lines)).map((match, i) => ({ match, line: lines[i] ?? "" }))
      const due = all.filter(({ match }) => match._tag === "Failed" || isTrue(match.value))
      for (const some of slices(due, transformedAtOnce)) {
        const matches = some.filter(({ match }) => match._tag === "Value").map(({ line }) => line)
        const made = matches.length === 0 ? [] : [...yield* jsonata.evaluate(transform, matches)]
        const ready: Array<Made> = []
        let length = 0
        for (const { line, match } of some) {
          const event = EventText.decode(line)
          const derived = match._tag === "Failed"
            ? Result.fail(`The matcher failed: ${match.message}`)
            : derivedOf(made.shift())
          if (Result.isFailure(derived) || length >= togetherLength) {
            yield* append(ready.splice(0))
            length = 0
          }
          if (Result.isFailure(derived)) yield* failures.at(event, derived.failure)
          else if (derived.success.length > 0) {
            ready.push({ event, derived: derived.success })
            length += JSON.stringify(derived.success).length
          }
        }
        yield* append(ready)
      }
    })

    const tail = yield* Effect.acquireRelease(
      Effect.sync(() => new Tail(store, growth, path, { after: position.offset, live: true })),
      (tail) => Effect.sync(() => tail.close())
    )
    while (true) {
      const step = yield* Effect.retry(tail.next, Outage.pauses)
      // Its instance ends with the stream.
      if (step._tag === "Deleted" || step._tag === "End") return yield* Effect.never
      if (step._tag !== "Events") continue
      const { last, lines } = step.page
      for (const some of slices(lines, matchedAtOnce)) yield* take(some.filter(isForeign))
      yield* position.pass(last)
    }
  })

const derivedOf = (evaluated: Evaluated | undefined): Result.Result<ReadonlyArray<Output.Derived>, string> =>
  evaluated?._tag === "Value"
    ? Output.read(evaluated.value)
    : Result.fail(`The transform failed: ${evaluated?.message ?? "it gave no answer"}`)

function* slices<A>(all: ReadonlyArray<A>, length: number): Generator<ReadonlyArray<A>> {
  for (let from = 0; from < all.length; from += length) yield all.slice(from, from + length)
}

/**
 * One transformer at work on its stream: it follows the events behind its cursor, asks for those that match, and
 * appends what they become, together with the cursor that passes them. So each is transformed once, in
 * order, whatever is killed. A target that is paused is waited for.
 */
import { Effect, Result, Schedule, Schema, Semaphore } from "effect"
import type { Scope } from "effect"
import { ErrorOccurred } from "../../domain/ControlEvent.ts"
import type { Event } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import type * as EventTypes from "../../domain/EventType.ts"
import { EventType } from "../../domain/EventType.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import { processor } from "../../domain/Transformer.ts"
import type { EventStore } from "../../log/EventStore.ts"
import * as Growth from "../../log/Growth.ts"
import { Tail } from "../../log/Tail.ts"
import type { Addressed, Fiber } from "../../processor/Hooks.ts"
import type { Evaluated, Jsonata } from "../Jsonata.ts"
import { isTrue } from "../Jsonata.ts"
import type { Configuration } from "./Transformer.ts"
import * as Output from "./TransformerOutput.ts"

/** Events that are matched at once: enough to amortise the way to JSONata and back, few enough to go on soon. */
const matchedAtOnce = 100
/** Events that are transformed at once: what they become is held together, 1 MiB each at most. */
const transformedAtOnce = 20
/** Behind so many characters what events became is recorded; else together. */
const togetherLength = 262_144
/** So long what does not match is passed without its being recorded: after a restart that much is looked at again. */
const movesAfter = "1 second"
/** Pauses between tries while a target is paused, unless it grows, in milliseconds. */
const leastWait = 100
const longestWait = 10_000
/** Bound of what is said of a failure, in characters. */
const maxMessage = 2_048
/** Pauses between tries while the log is away. */
const whileAway = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("1 second")])

export interface Services {
  readonly store: EventStore["Service"]
  readonly growth: Growth.Growth["Service"]
  readonly jsonata: Jsonata["Service"]
}

const isPassing = ({ _tag }: { readonly _tag: string }): boolean => _tag === "StreamPaused" || _tag === "Unavailable"

type Tools = Fiber<unknown, EventTypes.Any>

/** What an event became. */
interface Made {
  readonly event: Event
  readonly derived: ReadonlyArray<Output.Derived>
}

/** How far it has come: `at` is an offset of its stream. */
const Cursor = Schema.Struct({ at: Schema.Int })
const decodeCursor = Schema.decodeUnknownResult(Cursor)

/** Follows the stream for as long as it is wanted. */
export const run = ({ growth, jsonata, store }: Services) =>
  Effect.fnUntraced(function*(configuration: Configuration, tools: Tools) {
    const { matcher, since, transform } = configuration
    const slug = tools.key
    const path = StreamPath.make(tools.streamPath)
    const target = configuration.streamPath ?? path
    const stored = decodeCursor(yield* tools.cursor)
    // What stood there before it was removed, and configured anew, is passed.
    const after = Math.max(since, Result.isSuccess(stored) ? stored.success.at : 0)
    const position = new Position(tools, yield* Effect.scope, after)

    /** Appends as soon as the stream takes it. */
    const patiently = Effect.fnUntraced(function*<A, E extends { readonly _tag: string }>(append: Effect.Effect<A, E>) {
      for (let wait = leastWait;; wait = Math.min(2 * wait, longestWait)) {
        const result = yield* Effect.result(append)
        if (Result.isSuccess(result) || !isPassing(result.failure)) return result
        yield* Effect.timeoutOption(Growth.next(growth, target), wait)
      }
    })

    /** Says on its own stream that it failed at an event, once, and passes it. */
    const fail = Effect.fnUntraced(function*(event: Event, message: string) {
      const { offset } = event
      if (Output.isFailure(event)) return yield* position.pass(offset)
      const said = ErrorOccurred.make(
        { message: message.slice(0, maxMessage), source: processor, slug, offset },
        { idempotencyKey: Output.errorKey(slug, offset) }
      )
      const recorded = yield* patiently(position.commit(offset, [{ event: said, byServer: true }], event))
      if (Result.isSuccess(recorded)) return
      yield* Effect.logWarning(`${slug} on ${path} failed at ${offset}, which could not be recorded there`, {
        message,
        reason: recorded.failure
      })
      yield* position.pass(offset)
    })

    /** What an event became, with the event as its cause. */
    const appendsOf = ({ derived, event }: Made) =>
      derived.map(({ metadata, payload = {}, type }, index) => ({
        event: EventType.make(type, Schema.Json).make(payload, {
          idempotencyKey: Output.key(slug, path, event.offset, index, target),
          ...(metadata === undefined ? {} : { metadata })
        }),
        streamPath: target,
        answering: event
      }))

    /** Records what events became together; where that is refused one by one, so that only the culprit fails. */
    const append = (all: ReadonlyArray<Made>): Effect.Effect<void> =>
      Effect.gen(function*() {
        const [first] = all
        const last = all.at(-1)
        if (first === undefined || last === undefined) return
        const recorded = yield* patiently(position.commit(last.event.offset, all.flatMap(appendsOf), last.event))
        if (Result.isSuccess(recorded)) return
        if (all.length === 1) return yield* fail(first.event, recorded.failure.message)
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
          if (Result.isFailure(derived)) yield* fail(event, derived.failure)
          else if (derived.success.length > 0) {
            ready.push({ event, derived: derived.success })
            length += JSON.stringify(derived.success).length
          }
        }
        yield* append(ready)
      }
    })

    const tail = yield* Effect.acquireRelease(
      Effect.sync(() => new Tail(store, growth, path, { after, live: true })),
      (tail) => Effect.sync(() => tail.close())
    )
    while (true) {
      const step = yield* Effect.retry(tail.next, whileAway)
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

/** How far a transformer has come, and what of it is recorded. */
class Position {
  private readonly tools: Tools
  private readonly scope: Scope.Scope
  /** What records it does so one after the other, so that it never goes back. */
  private readonly one = Semaphore.makeUnsafe(1)
  private at: number
  private recorded: number
  private willMove = false

  constructor(tools: Tools, scope: Scope.Scope, at: number) {
    this.tools = tools
    this.scope = scope
    this.at = at
    this.recorded = at
  }

  /** Records what an event became, and that it is passed. */
  commit(offset: number, appends: ReadonlyArray<Addressed<EventTypes.Any>>, answering: Event) {
    return this.one.withPermit(Effect.tap(
      this.tools.appendAll(appends, { answering, cursor: cursorAt(offset) }),
      () =>
        Effect.sync(() => {
          this.at = offset
          this.recorded = offset
        })
    ))
  }

  /** All up to here is done; that is recorded soon. */
  pass(offset: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.at = Math.max(this.at, offset)
      if (this.willMove || this.at === this.recorded) return Effect.void
      this.willMove = true
      return Effect.asVoid(Effect.forkIn(Effect.delay(this.move, movesAfter), this.scope))
    })
  }

  private readonly move = Effect.suspend(() => {
    this.willMove = false
    return this.one.withPermit(Effect.suspend(() => {
      const { at } = this
      if (at === this.recorded) return Effect.void
      return Effect.map(this.tools.moveCursor(cursorAt(at)), () => {
        this.recorded = at
      })
    }))
  })
}

const cursorAt = (at: number): typeof Cursor.Type => ({ at })

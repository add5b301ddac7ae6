/**
 * `Streams` in the process of the log: what a client asks over HTTP, without HTTP. A body has no bound here
 * but the log's own.
 */
import { DateTime, Effect, Layer, Option, Result, Schema, Stream } from "effect"
import { maxBatch, maxChildren } from "../domain/Bounds.ts"
import type { EventInput } from "../domain/Event.ts"
import { Offset } from "../domain/Event.ts"
import type * as EventType from "../domain/EventType.ts"
import * as EventText from "../domain/EventText.ts"
import { parsePath, propose } from "../domain/Proposing.ts"
import { InvalidRequest, NotFound, PayloadTooLarge } from "../domain/StreamError.ts"
import type { Behind, InvalidEvent, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { StreamState } from "../domain/StreamState.ts"
import type {
  AccessError,
  ProcessorState,
  Read,
  ReadOptions,
  ReadWithinOptions,
  StateOptions
} from "../domain/Streams.ts"
import { Streams } from "../domain/Streams.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import * as Typed from "../domain/Typed.ts"
import * as TypedState from "../domain/TypedState.ts"
import { Causes } from "./Causes.ts"
import { Directory } from "./Directory.ts"
import { EventStore } from "./EventStore.ts"
import { Growth } from "./Growth.ts"
import { PrefixTail, start } from "./PrefixTail.ts"
import * as StateText from "./StateText.ts"
import { Tail } from "./Tail.ts"

/** Tells what a processor has made of a stream. */
export type StateOf = (
  processor: string,
  path: StreamPath,
  options: { readonly at?: number | undefined; readonly atLeast?: number | undefined }
) => Effect.Effect<TypedState.Told, NotFound | InvalidRequest | Behind | Unavailable>

export interface Options {
  /** The breaker of streams that configure none. */
  readonly breaker: Limit | "off"
  /** None where no processors run. */
  readonly stateOf?: StateOf | undefined
}

/** The same for one of a batch: what is wrong with it says which one it is. */
const proposeAt = (input: EventInput, index: number): Effect.Effect<EventText.Proposed, InvalidEvent> =>
  Effect.mapError(propose(input), (error) => error.at(index))

const make = Effect.fnUntraced(function*(options: Options) {
  const store = yield* EventStore
  const growth = yield* Growth
  const directory = yield* Directory
  const causes = yield* Causes

  const record = Effect.fnUntraced(function*(path: StreamPath, events: ReadonlyArray<EventText.Proposed>) {
    const { lines } = yield* store.append({ path, events })
    return lines.map(EventText.decode)
  })

  const appendAll = Effect.fnUntraced(function*(text: string, inputs: ReadonlyArray<EventInput>) {
    const path = yield* parsePath(text)
    if (inputs.length === 0) return []
    if (inputs.length > maxBatch) {
      return yield* new PayloadTooLarge({ limit: maxBatch, reason: `A batch has at most ${maxBatch} events` })
    }
    const keys = inputs.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])
    if (new Set(keys).size < keys.length) {
      return yield* new InvalidRequest({ reason: "The same idempotencyKey is given twice in one batch" })
    }
    return yield* record(path, yield* Effect.forEach(inputs, proposeAt))
  })

  const begin = Effect.fnUntraced(function*(path: StreamPath, options: ReadOptions<EventType.Any>) {
    const { after = "start", last } = options
    if (last === undefined && typeof after === "number") return after
    if (last === undefined && after === "start") return 0
    const head = Option.match(yield* directory.describe(path), { onNone: () => 0, onSome: ({ offset }) => offset })
    return Math.max(0, head - (last ?? 0))
  })

  /** Decoded events, at most so many, from their lines. */
  const typed = <T extends EventType.Any, E>(
    lines: Stream.Stream<EventText.JsonText, E>,
    { limit, types }: ReadWithinOptions<T>
  ): Stream.Stream<Read<T>, E> => {
    const decode = Typed.decoder(types)
    const events = Stream.filterMap(lines, (line) => Result.fromOption(decode(EventText.decode(line)), () => undefined))
    return limit === undefined ? events : Stream.take(events, limit)
  }

  const follow = <T extends EventType.Any>(text: string, options: ReadOptions<T>, live: boolean) =>
    typed(
      Stream.unwrap(Effect.gen(function*() {
        const path = yield* parsePath(text)
        const after = yield* begin(path, options)
        const tail = new Tail(store, growth, path, { after, types: namesOf(options.types), limit: options.limit, live })
        return linesOf(tail, ({ lines }) => lines)
      })),
      options
    )

  function state(text: string): Effect.Effect<StreamState, AccessError | NotFound>
  function state<State>(
    text: string,
    asked: StateOptions<State>
  ): Effect.Effect<ProcessorState<State>, AccessError | NotFound | Behind>
  function state<State>(
    text: string,
    asked?: StateOptions<State>
  ): Effect.Effect<StreamState | ProcessorState<State>, AccessError | NotFound | Behind> {
    return Effect.gen(function*() {
      const path = yield* parsePath(text)
      const head = yield* directory.describe(path)
      if (Option.isNone(head)) return yield* new NotFound({ reason: `${path} was never written to` })
      if (asked === undefined) return decodeState(StateText.encode(path, head.value, options.breaker))
      const { processor } = asked
      if (options.stateOf === undefined) return yield* new NotFound({ reason: "No processors run here" })
      return yield* TypedState.decode(processor, path, yield* options.stateOf(processor.name, path, asked))
    })
  }

  return Streams.of({
    append: Effect.fnUntraced(function*(text, input) {
      const [event] = yield* record(yield* parsePath(text), [yield* propose(input)])
      return event === undefined ? yield* Effect.die("An append returned no event") : event
    }),
    appendAll,
    read: (path, options = {}) => follow(path, options, false),
    tail: (path, options = {}) => follow(path, options, true),
    tailWithin: (prefix, options = {}) =>
      typed(
        Stream.unwrap(Effect.map(parsePath(prefix), (path) => {
          const tail = new PrefixTail(store, growth, path, { after: start, types: namesOf(options.types) })
          return linesOf(tail, ({ lines }) => lines.map(({ line }) => line))
        })),
        options
      ),
    state,
    children: Effect.fnUntraced(function*(text, { after, limit = maxChildren, recursive = false } = {}) {
      const path = yield* parsePath(text)
      const from = after === undefined ? undefined : yield* parsePath(after)
      const children = yield* directory.children(path, { after: from, limit, recursive })
      return children.map((child) => ({ ...child, ...timesOf(child), head: Offset.make(child.head) }))
    }),
    causes: Effect.fnUntraced(function*(text, offset, { effects = false } = {}) {
      const path = yield* parsePath(text)
      if (!Number.isSafeInteger(offset) || offset < 1) {
        return yield* new InvalidRequest({ reason: "`offset` takes a whole number from 1 on" })
      }
      const traced = yield* effects ? causes.effects(path, offset) : causes.chain(path, offset)
      if (Option.isNone(traced)) return yield* new NotFound({ reason: `${path} has no event at offset ${offset}` })
      return traced.value.lines.map(EventText.decode)
    }),
    delete: Effect.fnUntraced(function*(text, { recursive = false } = {}) {
      return yield* store.remove(yield* parsePath(text), { recursive })
    })
  })
})

/** What a tail steps through, as lines; it ends with the tail, and closes it with itself. */
const linesOf = <Page>(
  tail: {
    readonly next: Effect.Effect<
      { readonly _tag: "Events"; readonly page: Page } | { readonly _tag: "CaughtUp" | "Deleted" | "End" | "Full" },
      Unavailable
    >
    readonly close: () => void
  },
  lines: (page: Page) => ReadonlyArray<EventText.JsonText>
): Stream.Stream<EventText.JsonText, Unavailable> =>
  Stream.paginate(tail, () =>
    Effect.map(tail.next, (step) => {
      const isOver = step._tag === "Deleted" || step._tag === "End"
      return [step._tag === "Events" ? lines(step.page) : [], isOver ? Option.none() : Option.some(tail)] as const
    })).pipe(Stream.ensuring(Effect.sync(() => tail.close())))

const namesOf = (types: ReadonlyArray<EventType.Any> | undefined): ReadonlyArray<string> | undefined =>
  types === undefined || types.length === 0 ? undefined : types.map(({ type }) => type)

const timesOf = ({ createdAt, updatedAt }: { readonly createdAt: number; readonly updatedAt: number }) => ({
  createdAt: DateTime.makeUnsafe(createdAt),
  updatedAt: DateTime.makeUnsafe(updatedAt)
})

const decodeState = Schema.decodeUnknownSync(Schema.fromJsonString(StreamState))

/** `Streams` over the log in scope. */
export const layer = (options: Options): Layer.Layer<Streams, never, EventStore | Directory | Causes | Growth> =>
  Layer.effect(Streams, make(options))

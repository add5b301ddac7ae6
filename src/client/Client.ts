/**
 * `Streams` over HTTP, in Node and in a browser. `append` is tried again by itself only where every event has an
 * idempotencyKey, since without one a broken connection leaves open whether it was recorded; `delete` never, since a
 * second try could not tell what the first one removed. What only asks is tried again. Tries are bounded by
 * `attempts`; then the caller has the error.
 */
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { Event } from "../domain/Event.ts"
import type { EventInput } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type * as EventType from "../domain/EventType.ts"
import { InstanceState, PastState } from "../domain/ProcessorState.ts"
import type { Behind, NotFound, StreamError } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as StreamState from "../domain/StreamState.ts"
import { Streams } from "../domain/Streams.ts"
import type { AccessError, ProcessorState, Read, ReadWithinOptions, StateOptions } from "../domain/Streams.ts"
import * as Typed from "../domain/Typed.ts"
import * as TypedState from "../domain/TypedState.ts"
import * as Connection from "./Connection.ts"
import * as EventBody from "./EventBody.ts"
import * as Problem from "./Problem.ts"
import { persistently } from "./Retry.ts"
import * as Tailing from "./Tailing.ts"
import * as TypesParameter from "./TypesParameter.ts"

export type Options = Connection.Options

const Events = Schema.Array(Event)
const Children = Schema.Array(StreamState.Child)
const Deleted = Schema.Struct({ deleted: Schema.Array(Schema.String) })
/** A processor's state, now or as of an offset. */
const Told = Schema.Union([InstanceState, PastState])

/** Keeps what the types name, decoded, and at most so many. */
const taking = <T extends EventType.Any>(
  events: Stream.Stream<Event, StreamError>,
  options: ReadWithinOptions<T> | undefined
): Stream.Stream<Read<T>, StreamError> => {
  const decode = Typed.decoder(options?.types)
  const decoded = Stream.filterMap(events, (event) => Result.fromOption(decode(event), () => undefined))
  return options?.limit === undefined ? decoded : Stream.take(decoded, options.limit)
}

/** What the server is asked for. It counts before payloads are judged, so the limit is its own only without types. */
const asked = (options: ReadWithinOptions<EventType.Any> | undefined) => ({
  types: TypesParameter.from(options?.types),
  limit: options?.types === undefined || options.types.length === 0 ? options?.limit : undefined
})

/** The URL of a stream: its path as it is, since its characters need no escape. */
const urlOf = (group: "streams" | "state" | "children" | "causes", path: StreamPath): string => `/api/${group}${path}`

/** `Streams` over an HTTP client of one's own. */
export const make = Effect.fnUntraced(function*(options: Options) {
  const connection = yield* Connection.make(options)
  const retried = persistently(connection.attempts)

  const post = <S extends Schema.ConstraintCodec<unknown, unknown>>(
    path: StreamPath,
    text: string,
    events: ReadonlyArray<EventInput>,
    success: S
  ): Effect.Effect<S["Type"], StreamError> => {
    const body = { text, contentType: "application/json" }
    const call = Connection.json(connection, { method: "POST", path: urlOf("streams", path), body }, success)
    return events.every(({ idempotencyKey }) => idempotencyKey !== undefined) ? retried(call) : call
  }

  function state(path: string): Effect.Effect<StreamState.StreamState, AccessError | NotFound>
  function state<State>(
    path: string,
    options: StateOptions<State>
  ): Effect.Effect<ProcessorState<State>, AccessError | NotFound | Behind>
  function state<State>(
    path: string,
    options?: StateOptions<State>
  ): Effect.Effect<StreamState.StreamState | ProcessorState<State>, AccessError | NotFound | Behind> {
    return Effect.gen(function*() {
      const judged = yield* Connection.judgePath(path)
      const request = { method: "GET", path: urlOf("state", judged) } as const
      if (options === undefined) return yield* Connection.json(connection, request, StreamState.StreamState)
      const { at, atLeast, processor } = options
      const query = { processor: processor.name, at, atLeast }
      const told = yield* Connection.json(connection, { ...request, query }, Told)
      return yield* TypedState.decode(processor, judged, told)
    }).pipe(retried, Effect.mapError(Problem.asProcessorStateError))
  }

  return Streams.of({
    append: (path, event) =>
      Effect.gen(function*() {
        const text = yield* Effect.fromResult(EventBody.fromEvent(event))
        return yield* post(yield* Connection.judgePath(path), text, [event], Event)
      }).pipe(Effect.mapError(Problem.asAppendError)),

    appendAll: (path, events) =>
      Effect.gen(function*() {
        const text = yield* Effect.fromResult(EventBody.fromEvents(events))
        const judged = yield* Connection.judgePath(path)
        // An empty array is no batch to the server: it would be recorded as something that arrived.
        return events.length === 0 ? [] : yield* post(judged, text, events, Events)
      }).pipe(Effect.mapError(Problem.asAppendError)),

    read: (path, options) =>
      Stream.unwrap(Effect.map(Connection.judgePath(path), (judged) =>
        taking(Tailing.read(connection, urlOf("streams", judged), { ...options, ...asked(options) }), options))).pipe(
          Stream.mapError(Problem.asAccessError)
        ),

    tail: (path, options) =>
      Stream.unwrap(Effect.map(Connection.judgePath(path), (judged) =>
        taking(Tailing.tail(connection, urlOf("streams", judged), { ...options, ...asked(options) }), options))).pipe(
          Stream.mapError(Problem.asAccessError)
        ),

    tailWithin: (prefix, options) =>
      Stream.unwrap(Effect.map(Connection.judgePath(prefix), (judged) => {
        const url = `${urlOf("streams", judged).replace(/\/$/, "")}/**`
        return taking(Tailing.tailWithin(connection, url, TypesParameter.from(options?.types)), options)
      })).pipe(Stream.mapError(Problem.asAccessError)),

    state,

    children: (path, options) =>
      Effect.flatMap(Connection.judgePath(path), (judged) => {
        const query = { limit: options?.limit, after: options?.after, recursive: options?.recursive ? "" : undefined }
        return retried(
          Connection.json(connection, { method: "GET", path: urlOf("children", judged), query }, Children)
        )
      }).pipe(Effect.mapError(Problem.asAccessError)),

    causes: (path, offset, options) =>
      Effect.gen(function*() {
        const url = urlOf("causes", yield* Connection.judgePath(path))
        const query = { offset, effects: options?.effects ? "" : undefined, format: "ndjson" }
        const answer = yield* connection.send({ method: "GET", path: url, query, accept: "application/x-ndjson" })
        // Line by line, since payloads may hold numbers that no value holds.
        const lines = (yield* answer.text).split("\n").filter((line) => line !== "")
        return yield* Effect.fromResult(Problem.decoded(answer.url, Result.all(lines.map(EventText.decodeResult))))
      }).pipe(retried, Effect.mapError(Problem.asStateError)),

    delete: (path, options) =>
      Effect.gen(function*() {
        const url = urlOf("streams", yield* Connection.judgePath(path))
        const query = { recursive: options?.recursive ? "" : undefined }
        const { deleted } = yield* Connection.json(connection, { method: "DELETE", path: url, query }, Deleted)
        return deleted
      }).pipe(Effect.mapError(Problem.asAccessError))
  })
})

/** `Streams` over the platform's own `fetch`. */
export const layer = (options: Options): Layer.Layer<Streams> =>
  Layer.effect(Streams, make(options)).pipe(
    Layer.provide(FetchHttpClient.layer),
    // A browser would have to ask the server for leave to send trace headers, for every request of another origin.
    Layer.provide(Layer.succeed(HttpClient.TracerPropagationEnabled, false))
  )

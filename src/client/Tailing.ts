/**
 * Events of a stream, or of a stream and all below it, over as many connections as it takes. The position moves with
 * what is delivered and with `caught-up`, and every new connection begins there: no gap and no duplicate.
 */
import { Effect, Result, Schema, Stream } from "effect"
import { Offset } from "../domain/Event.ts"
import type { Event } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { Unavailable } from "../domain/StreamError.ts"
import type { Answer, Connection, Query } from "./Connection.ts"
import * as Lines from "./Lines.ts"
import * as Problem from "./Problem.ts"
import { resuming } from "./Resume.ts"
import * as SseFrame from "./SseFrame.ts"

/** The server writes a comment every 15 seconds; a connection that is silent for three of them is dead. */
export const silence = "45 seconds"

/** What a connection brings: an event, word that history is through, or that nothing follows. */
type Item = { readonly event: Event } | "caught-up" | "end"

const decodeOffset = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Struct({ offset: Offset })))
const decodeCursor = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Struct({ cursor: Schema.String })))

const events = (connected: Stream.Stream<Item, StreamError>): Stream.Stream<Event, StreamError> =>
  connected.pipe(
    Stream.map((item) => typeof item === "string" ? [] : [item.event]),
    Stream.flattenIterable
  )

/** The bytes of an answer, as long as it gives a sign of life. */
export const alive = (answer: Answer): Stream.Stream<Uint8Array, Unavailable> =>
  answer.bytes.pipe(Stream.timeoutOrElse({
    duration: silence,
    orElse: () => Stream.fail(new Unavailable({ reason: `${answer.url} is silent`, retryAfterSeconds: 1 }))
  }))

const expectType = (answer: Answer, type: string): Effect.Effect<Answer, StreamError> =>
  answer.contentType.startsWith(type)
    ? Effect.succeed(answer)
    : Effect.fail(Problem.unintelligible(answer.url, `it sent ${answer.contentType || "no content type"}, not ${type}`))

/** The frames of one live connection; `position` hears of each event's id and of `caught-up` before it is passed on. */
const live = (
  connection: Connection,
  path: string,
  query: Query,
  position: (frame: SseFrame.SseFrame, event: Event | undefined) => Result.Result<boolean, { readonly message: string }>
): Effect.Effect<Stream.Stream<Item, StreamError>, StreamError> =>
  connection.send({ method: "GET", path, query, accept: "text/event-stream" }).pipe(
    Effect.flatMap((answer) => expectType(answer, "text/event-stream")),
    Effect.map((answer) =>
      SseFrame.fromBytes(alive(answer)).pipe(
        Stream.mapEffect((frame): Effect.Effect<ReadonlyArray<Item>, StreamError> => {
          if (frame.event === "deleted") return Effect.succeed(["end"])
          const isEvent = frame.event === "message"
          // Frames of other names are for later versions of the contract.
          if (!isEvent && frame.event !== "caught-up") return Effect.succeed([])
          const event = isEvent ? EventText.decodeResult(frame.data) : Result.succeed(undefined)
          return Effect.fromResult(Problem.decoded(
            answer.url,
            Result.flatMap(Result.mapError(event, ({ message }) => ({ message })), (event) =>
              Result.map(position(frame, event), (isNew): ReadonlyArray<Item> =>
                event === undefined ? ["caught-up"] : isNew ? [{ event }] : []))
          ))
        }),
        Stream.flattenIterable
      )
    )
  )

export interface From {
  readonly after?: number | "start" | "end" | undefined
  readonly last?: number | undefined
  readonly limit?: number | undefined
  readonly types?: string | undefined
}

/** Where the next connection begins: after the position once there is one, else where the caller said. */
const resumed = ({ after, last, limit, types }: From, position: number | undefined, delivered: number): Query => ({
  ...(position === undefined ? { afterOffset: after, last } : { afterOffset: position }),
  limit: limit === undefined ? undefined : limit - delivered,
  types
})

/** History and then what comes; ends when the stream is deleted. */
export const tail = (connection: Connection, path: string, from: From): Stream.Stream<Event, StreamError> =>
  Stream.suspend(() => {
    let position = typeof from.after === "number" && from.last === undefined ? from.after : undefined
    let delivered = 0
    return events(resuming<Item>({
      connect: Effect.suspend(() =>
        live(connection, path, { ...resumed(from, position, delivered), live: "true" }, (frame, event) => {
          if (event === undefined) {
            return Result.map(decodeOffset(frame.data), ({ offset }) => {
              position = Math.max(position ?? 0, offset)
              return false
            })
          }
          const isNew = position === undefined || event.offset > position
          if (isNew) {
            position = event.offset
            delivered += 1
          }
          return Result.succeed(isNew)
        })
      ),
      isLast: (item) => item === "end",
      givesUp: "before",
      attempts: connection.attempts
    }))
  })

/** A stream and all below it, history and then what comes, in commit order. */
export const tailWithin = (
  connection: Connection,
  path: string,
  types: string | undefined
): Stream.Stream<Event, StreamError> =>
  Stream.suspend(() => {
    let cursor: string | undefined
    return events(resuming<Item>({
      connect: Effect.suspend(() =>
        live(connection, path, { after: cursor, types, live: "true" }, (frame, event) => {
          if (event === undefined) {
            return Result.map(decodeCursor(frame.data), (caughtUp) => {
              cursor = caughtUp.cursor
              return false
            })
          }
          cursor = frame.id ?? cursor
          return Result.succeed(true)
        })
      ),
      isLast: (item) => item === "end",
      givesUp: "before",
      attempts: connection.attempts
    }))
  })

/** What exists, oldest first. A connection that breaks is resumed a few times. */
export const read = (connection: Connection, path: string, from: From): Stream.Stream<Event, StreamError> =>
  Stream.suspend(() => {
    let position: number | undefined
    let delivered = 0
    const connect = Effect.suspend(() => {
      const query: Query = { ...resumed(from, position, delivered), live: "false" }
      return connection.send({ method: "GET", path, query, accept: "application/x-ndjson" })
    }).pipe(
      Effect.flatMap((answer) => expectType(answer, "application/x-ndjson")),
      Effect.map((answer) => {
        const cut = () => new Unavailable({ reason: `${answer.url} was cut off`, retryAfterSeconds: 1 })
        return Lines.fromBytes(alive(answer), cut).pipe(
          Stream.filter((line) => line.trim() !== ""),
          Stream.mapEffect((line): Effect.Effect<Item, StreamError> =>
            Effect.fromResult(Result.map(Problem.decoded(answer.url, EventText.decodeResult(line)), (event) => {
              position = event.offset
              delivered += 1
              return { event }
            }))
          ),
          Stream.concat(Stream.make<[Item]>("end"))
        )
      })
    )
    return events(resuming({
      connect,
      isLast: (item) => item === "end",
      givesUp: "always",
      attempts: connection.attempts
    }))
  })

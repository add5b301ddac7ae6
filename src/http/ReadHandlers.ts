/** Reads and tails: one stream or all below a prefix, in every format, live or closed. */
import { Effect, Metric, Option, Result } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { ReadQuery, ReadWithinQuery } from "../api/ReadQuery.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { InvalidRequest, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import { endOf, PrefixTail, settled, start } from "../log/PrefixTail.ts"
import { Tail } from "../log/Tail.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Access from "./Access.ts"
import { prefix } from "./AppendHandlers.ts"
import * as Cursor from "./Cursor.ts"
import { Heartbeat } from "./Heartbeat.ts"
import * as JsonReading from "./JsonReading.ts"
import * as Query from "./Query.ts"
import * as ReadFormat from "./ReadFormat.ts"
import * as Reply from "./Reply.ts"
import * as Source from "./Source.ts"
import * as StreamUrl from "./StreamUrl.ts"
import * as Tailing from "./Tailing.ts"

const lastEventId = "last-event-id"

const openTails = Metric.gauge("millstream_open_tails", {
  description: "Tails and other answers to readers that are being written"
})

const decodeRead = Query.decoder(ReadQuery)
const decodeReadWithin = Query.decoder(ReadWithinQuery)

/** `GET /api/streams/{path}` and `GET /api/streams/{prefix}/**` */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const store = yield* EventStore
  const growth = yield* Growth
  const directory = yield* Directory
  const heartbeat = yield* Heartbeat
  const settings = yield* ServiceConfig
  const access = Access.make(settings)
  let open = 0

  const headOf = (path: StreamPath) =>
    Effect.map(directory.describe(path), Option.match({ onNone: () => 0, onSome: ({ offset }) => offset }))

  /** The offset to begin after; a browser that reconnects to the same URL says where it was in a header. */
  const begin = Effect.fnUntraced(function*(request: HttpServerRequest, path: StreamPath, query: ReadQuery) {
    const seen = request.headers[lastEventId]
    if (seen !== undefined) {
      if (!/^[0-9]{1,15}$/.test(seen)) {
        return yield* new InvalidRequest({ reason: "Last-Event-ID is not an offset: send the last id, or none" })
      }
      return Number(seen)
    }
    if (query.last !== undefined) return Math.max(0, (yield* headOf(path)) - query.last)
    const { afterOffset = "start" } = query
    return afterOffset === "start" ? 0 : afterOffset === "end" ? yield* headOf(path) : afterOffset
  })

  const read = Effect.fnUntraced(function*(request: HttpServerRequest, path: StreamPath) {
    const query = yield* Effect.fromResult(decodeRead(request.url))
    const name = query.format ?? ReadFormat.negotiate(request.headers["accept"], request.headers["user-agent"])
    const live = name !== "json" && (query.live ?? query.beforeOffset === undefined)
    const tail = new Tail(store, growth, path, {
      after: yield* begin(request, path, query),
      before: typeof query.beforeOffset === "number" ? query.beforeOffset : undefined,
      types: query.types,
      limit: query.limit,
      live
    })
    const source = Source.ofStream(tail)
    return name === "json"
      ? yield* JsonReading.respond(request, source, { limit: query.limit, headers: access.headers(request) })
      : yield* Tailing.respond(request, source, {
        name,
        live,
        limit: query.limit,
        headers: access.headers(request),
        heartbeat
      })
  })

  const readWithin = Effect.fnUntraced(function*(request: HttpServerRequest, path: StreamPath) {
    const query = yield* Effect.fromResult(decodeReadWithin(request.url))
    const name = query.format ?? ReadFormat.negotiate(request.headers["accept"], request.headers["user-agent"])
    const live = name !== "json" && (query.live ?? true)
    const text = request.headers[lastEventId] ?? query.after
    const after = text === undefined
      ? start
      : text === "end"
      ? endOf(yield* settled(store, path))
      : Cursor.decode(text)
    if (after === undefined) {
      return yield* new InvalidRequest({ reason: "That is no cursor of this server: send the last id, or none" })
    }
    const { limit, types } = query
    if (live) {
      const source = Source.ofPrefix(new PrefixTail(store, growth, path, { after, types }))
      return yield* Tailing.respond(request, source, { name, live, limit, headers: access.headers(request), heartbeat })
    }
    // A closed answer says in a header where it ends, before its first event.
    const before = yield* settled(store, path)
    const tail = new PrefixTail(store, growth, path, { after, before, types })
    const { last, source } = limit === undefined
      ? { last: undefined, source: Source.ofPrefix(tail) }
      : yield* Source.gather(tail, limit)
    const headers = { ...access.headers(request), "millstream-cursor": last ?? Cursor.encode(endOf(before)) }
    return name === "json"
      ? yield* JsonReading.respond(request, source, { limit: undefined, headers })
      : yield* Tailing.respond(request, source, { name, live, limit: undefined, headers, heartbeat })
  })

  const count = (by: number) =>
    Effect.suspend(() => {
      open += by
      return Metric.update(openTails, open)
    })

  const answer = (request: HttpServerRequest): Effect.Effect<HttpServerResponse, StreamError> =>
    Effect.suspend((): Effect.Effect<HttpServerResponse, StreamError> => {
      const url = StreamUrl.parse(request.url, prefix)
      if (Result.isFailure(url)) return Effect.fail(url.failure)
      if (open >= settings.maxTails) {
        return Effect.fail(new Unavailable({ reason: `${open} readers are being served`, retryAfterSeconds: 1 }))
      }
      const { path, within } = url.success
      return Effect.acquireUseRelease(
        count(1),
        () => within ? readWithin(request, path) : read(request, path),
        () => count(-1)
      )
    })
  yield* router.add("GET", `${prefix}/*`, (request) =>
    Effect.catch(answer(request), (error) => Effect.succeed(Reply.problem(request, error))))
}))

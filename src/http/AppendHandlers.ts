/**
 * Appends what arrives, whatever it is. The hottest route: it decodes by hand what `StreamsApi` describes,
 * and a test holds the two together.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Result } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Control from "../domain/ControlEvent.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { InvalidEvent, InvalidPath, InvalidRequest } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Appended } from "../log/EventStore.ts"
import { EventStore } from "../log/EventStore.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Access from "./Access.ts"
import * as Arriving from "./Arriving.ts"
import * as Body from "./Body.ts"
import type * as Received from "./Received.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

export const prefix = "/api/streams"

const make = Effect.gen(function*() {
  const store = yield* EventStore
  const redactedHeaders = new Set((yield* ServiceConfig).redactedHeaders)

  const decode = (
    request: HttpServerRequest,
    body: Buffer,
    query: URLSearchParams | undefined,
    ingestOnly: boolean
  ): Result.Result<Body.Decoded, StreamError> => {
    const headers = headersOf(request)
    const as = query?.get("as") ?? undefined
    if (as !== undefined && ingestOnly && Control.isReserved(as)) {
      return Result.fail(new InvalidEvent({ field: "as", reason: `${JSON.stringify(as)} has a reserved prefix` }))
    }
    const decoded = Body.decode({
      body,
      method: request.method,
      headers,
      contentType: first(headers["content-type"]),
      contentEncoding: first(headers["content-encoding"]),
      query: query === undefined ? {} : queryOf(query),
      as,
      ingestOnly
    }, redactedHeaders)
    if (Result.isFailure(decoded)) return decoded
    const { batch, events } = decoded.success
    for (let i = 0; i < events.length; i++) {
      const event = events[i]
      const wrong = event === undefined ? undefined : Control.judge(event)
      if (wrong !== undefined) return Result.fail(batch ? at(i, wrong) : wrong)
    }
    return decoded
  }

  /** Appends a request's body to a stream. `ingestOnly`: whoever sends it may only deliver. */
  return Effect.fnUntraced(
    function*(request: HttpServerRequest, url: Result.Result<StreamUrl.StreamUrl, InvalidPath>, ingestOnly: boolean) {
      if (Result.isFailure(url)) return yield* url.failure
      const path = yield* target(url.success)
      const body = yield* Arriving.body(request)
      const start = request.url.indexOf("?")
      const query = start < 0 ? undefined : new URLSearchParams(request.url.slice(start + 1))
      const { batch, events } = yield* Effect.fromResult(decode(request, body, query, ingestOnly))
      const appended = yield* store.append({ path, events })
      return query?.get("reply") === "empty" ? empty : reply(request, appended, batch)
    },
    (effect, request) => Effect.catch(effect, (error: StreamError) => Effect.succeed(Reply.problem(request, error)))
  )
})

/** `POST /api/streams/{path}`, and `POST /in/{token}/{path}` for senders that can not send headers. */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const append = yield* make
  const access = Access.make(yield* ServiceConfig)

  yield* router.add("POST", `${prefix}/*`, (request) => append(request, StreamUrl.parse(request.url, prefix), false))
  yield* router.add("POST", `${Access.ingestPrefix}*`, (request) => {
    const [, token = ""] = /^([^/?]*)/.exec(request.url.slice(Access.ingestPrefix.length)) ?? []
    const refusal = access.judgeIngest(token)
    return refusal === undefined
      ? append(request, StreamUrl.parse(request.url, Access.ingestPrefix + token), true)
      : Effect.succeed(Reply.problem(request, refusal))
  })
}))

const target = (url: StreamUrl.StreamUrl): Effect.Effect<StreamPath, InvalidPath> =>
  url.within
    ? Effect.fail(new InvalidPath({ path: `${url.path}/**`, reason: "/** can be read, not appended to" }))
    : Effect.succeed(url.path)

const empty = HttpServerResponse.empty({ status: 200 })

const reply = (request: HttpServerRequest, { known, lines }: Appended, batch: boolean) =>
  Reply.json(request, batch ? `[${lines.join(",")}]` : lines[0] ?? "null", known ? 200 : 201)

/** The same error, of one event of a batch. */
const at = (index: number, { example, field, reason }: InvalidEvent): InvalidEvent =>
  new InvalidEvent({
    index,
    reason,
    ...(field === undefined ? {} : { field }),
    ...(example === undefined ? {} : { example })
  })

/** Headers by lower-case name; several values where a name was repeated. */
const headersOf = (request: HttpServerRequest): Received.Named => {
  const { rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
  const headers: { [name: string]: string | ReadonlyArray<string> } = Object.create(null)
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? ""
    const value = rawHeaders[i + 1] ?? ""
    const before = headers[name]
    headers[name] = before === undefined ? value : [...(typeof before === "string" ? [before] : before), value]
  }
  return headers
}

const queryOf = (query: URLSearchParams): Received.Named => {
  const values: { [name: string]: string | ReadonlyArray<string> } = Object.create(null)
  for (const name of new Set(query.keys())) {
    const all = query.getAll(name)
    values[name] = all.length === 1 && all[0] !== undefined ? all[0] : all
  }
  return values
}

const first = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

/** Appends what arrives, whatever it is, and whoever sends it. */
import { Effect, Result } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { StreamError, Unauthorized } from "../domain/StreamError.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Access from "./Access.ts"
import * as Appending from "./Appending.ts"
import * as Arriving from "./Arriving.ts"
import * as BodyRoom from "./BodyRoom.ts"
import * as Bound from "./Bound.ts"
import * as ContentEncoding from "./ContentEncoding.ts"
import * as NodeRequest from "./NodeRequest.ts"
import * as Recording from "./Recording.ts"
import * as Reply from "./Reply.ts"
import type { StreamUrl } from "./StreamUrl.ts"

export const prefix = "/api/streams"

const empty = HttpServerResponse.empty({ status: 200 })

/** `POST /api/streams/{path}`, and `POST /in/{token}/{path}` for senders that can not send headers. */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const recording = yield* Recording.make
  const settings = yield* ServiceConfig
  const access = Access.make(settings)
  const terms = { redactedHeaders: new Set(settings.redactedHeaders) }

  const record = Effect.fnUntraced(function*(
    request: HttpServerRequest,
    url: StreamUrl
  ): Effect.fn.Return<Recording.Reply, StreamError> {
    const incoming = NodeRequest.incomingOf(request)
    const body = yield* Arriving.body(incoming)
    const asked = yield* Effect.fromResult(Appending.decode(incoming, url, body, terms))
    return yield* recording.record(asked, incoming.headers)
  })

  /** A signature that a stream is known to ask for is judged before what is signed is read: it costs far less. */
  const deliver = Effect.fnUntraced(function*(
    request: HttpServerRequest,
    url: StreamUrl,
    refusal?: Unauthorized
  ): Effect.fn.Return<Recording.Reply, StreamError> {
    const isStranger = refusal !== undefined
    const verified = isStranger ? yield* recording.askedAt(url.path) : recording.hint(url.path)
    // Of a stranger nothing is taken in where the stream asks for no signature.
    if (isStranger && verified === undefined) return yield* refusal
    const incoming = NodeRequest.incomingOf(request)
    const { headers } = incoming
    const room = isStranger ? BodyRoom.ofStrangers : BodyRoom.ofProcess
    const arrived = yield* Arriving.body(incoming, Bound.ofEvent, room)
    const body = yield* Effect.fromResult(ContentEncoding.decode(arrived, headers["content-encoding"], Bound.ofEvent))
    const isClient = false
    if (verified !== undefined) yield* recording.verify(verified, { headers, body }, { isClient })
    const deliverer = isStranger ? "stranger" : "ingest"
    const asked = yield* Effect.fromResult(Appending.decodeDelivery(incoming, url, body, deliverer, terms))
    return yield* recording.record(asked, headers, { isClient, verified, refusal })
  })

  const append = Effect.fnUntraced(
    function*(request: HttpServerRequest, prefix: string, sender: "client" | "deliverer") {
      const refusal = access.judgeToken(request)
      const target = Appending.target(request.url, prefix)
      if (refusal !== undefined && Result.isFailure(target)) return yield* refusal
      const url = yield* Effect.fromResult(target)
      const { isAnswer, status, text } = yield* refusal === undefined && sender === "client"
        ? record(request, url)
        : deliver(request, url, refusal)
      const isEmpty = isAnswer !== true && Appending.parametersOf(request.url)?.get("reply") === "empty"
      return isEmpty ? empty : Reply.json(request, text, status)
    },
    (effect, request) => Effect.catch(effect, (error: StreamError) => Effect.succeed(Reply.problem(request, error)))
  )

  yield* router.add("POST", `${prefix}/*`, (request) => append(request, prefix, "client"))
  yield* router.add("POST", `${Access.ingestPrefix}*`, (request) => {
    const token = Access.ingestTokenIn(request.url)
    const refusal = access.judgeIngest(token)
    return refusal === undefined
      ? append(request, Access.ingestPrefix + token, "deliverer")
      : Effect.succeed(Reply.problem(request, refusal))
  })
}))

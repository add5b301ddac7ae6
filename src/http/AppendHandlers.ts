/** Appends what arrives, whatever it is, and whoever sends it. */
import { Effect, Result } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { StreamError } from "../domain/StreamError.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Access from "./Access.ts"
import * as Appending from "./Appending.ts"
import * as Arriving from "./Arriving.ts"
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

  /** Of a sender without a token nothing is read where the stream asks for no signature. */
  const recordSigned = Effect.fnUntraced(function*(
    request: HttpServerRequest,
    url: StreamUrl,
    refusal: Recording.Stranger["refusal"]
  ): Effect.fn.Return<Recording.Reply, StreamError> {
    const asked = yield* recording.askedAt(url.path)
    if (asked === undefined) return yield* refusal
    const incoming = NodeRequest.incomingOf(request)
    const body = yield* Arriving.body(incoming, Arriving.ofEvent)
    const decoded = Appending.decode(incoming, url, body, "stranger", terms)
    if (Result.isFailure(decoded)) {
      return yield* (decoded.failure._tag === "PayloadTooLarge" ? decoded.failure : refusal)
    }
    return yield* recording.recordOf({ asked, refusal }, decoded.success, incoming.headers)
  })

  const record = Effect.fnUntraced(function*(
    request: HttpServerRequest,
    url: StreamUrl,
    sender: "client" | "deliverer"
  ): Effect.fn.Return<Recording.Reply, StreamError> {
    const incoming = NodeRequest.incomingOf(request)
    const body = yield* Arriving.body(incoming)
    const asked = yield* Effect.fromResult(Appending.decode(incoming, url, body, sender, terms))
    return yield* recording.record(asked, incoming.headers)
  })

  const append = Effect.fnUntraced(
    function*(request: HttpServerRequest, prefix: string, sender: "client" | "deliverer") {
      const refusal = access.judgeToken(request)
      const target = Appending.target(request.url, prefix)
      if (refusal !== undefined && Result.isFailure(target)) return yield* refusal
      const url = yield* Effect.fromResult(target)
      const { isAnswer, status, text } = yield* refusal === undefined
        ? record(request, url, sender)
        : recordSigned(request, url, refusal)
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

/** Appends what arrives, whatever it is, and whoever sends it. */
import { Effect } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { StreamError } from "../domain/StreamError.ts"
import { EventStore } from "../log/EventStore.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Access from "./Access.ts"
import * as Appending from "./Appending.ts"
import * as Arriving from "./Arriving.ts"
import * as NodeRequest from "./NodeRequest.ts"
import * as Reply from "./Reply.ts"

export const prefix = "/api/streams"

const empty = HttpServerResponse.empty({ status: 200 })

/** `POST /api/streams/{path}`, and `POST /in/{token}/{path}` for senders that can not send headers. */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const store = yield* EventStore
  const settings = yield* ServiceConfig
  const access = Access.make(settings)
  const terms = { redactedHeaders: new Set(settings.redactedHeaders) }

  const append = Effect.fnUntraced(
    function*(request: HttpServerRequest, prefix: string, ingestOnly: boolean) {
      const url = yield* Effect.fromResult(Appending.target(request.url, prefix))
      const incoming = NodeRequest.incomingOf(request)
      const body = yield* Arriving.body(incoming)
      const asked = yield* Effect.fromResult(Appending.decode(incoming, url, body, ingestOnly, terms))
      const appended = yield* store.append(asked.request)
      if (Appending.parametersOf(request.url)?.get("reply") === "empty") return empty
      const { status, text } = Appending.reply(appended, asked.batch)
      return Reply.json(request, text, status)
    },
    (effect, request) => Effect.catch(effect, (error: StreamError) => Effect.succeed(Reply.problem(request, error)))
  )

  yield* router.add("POST", `${prefix}/*`, (request) => append(request, prefix, false))
  yield* router.add("POST", `${Access.ingestPrefix}*`, (request) => {
    const token = Access.ingestTokenIn(request.url)
    const refusal = access.judgeIngest(token)
    return refusal === undefined
      ? append(request, Access.ingestPrefix + token, true)
      : Effect.succeed(Reply.problem(request, refusal))
  })
}))

/** `GET /api/causes/{path}?offset=N`: what led to an event, or what it led to. */
import { Effect, Option } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { CausesQuery, moreHeader } from "../api/InspectApi.ts"
import { InvalidRequest, NotFound } from "../domain/StreamError.ts"
import { Causes } from "../log/Causes.ts"
import * as Query from "./Query.ts"
import * as ReadFormat from "./ReadFormat.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

const prefix = "/api/causes"

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const causes = yield* Causes
  const decode = Query.decoder(CausesQuery)

  const respond = Effect.fnUntraced(function*(request: Reply.Asked) {
    const { path, within } = yield* Effect.fromResult(StreamUrl.parse(request.url, prefix))
    if (within) return yield* new InvalidRequest({ reason: "Causes are of one event: leave out /**" })
    const { effects = false, format = "json", offset } = yield* Effect.fromResult(decode(request.url))
    const traced = yield* effects ? causes.effects(path, offset) : causes.chain(path, offset)
    if (Option.isNone(traced)) return yield* new NotFound({ reason: `${path} has no event at offset ${offset}` })
    const { lines, more } = traced.value
    const response = format === "json"
      ? Reply.json(request, `[${lines.join(",\n")}]`)
      : HttpServerResponse.text(lines.map((line) => ReadFormat.formats[format].event("", line)).join(""), {
        contentType: ReadFormat.formats[format].contentType
      })
    return more ? HttpServerResponse.setHeader(response, moreHeader, "true") : response
  })

  yield* router.add("GET", `${prefix}/*`, (request) =>
    Effect.catch(respond(request), (error) => Effect.succeed(Reply.problem(request, error))))
}))

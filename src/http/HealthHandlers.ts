/** `GET /health`: 200 only when an append would be recorded. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { PlainQuery } from "../api/SystemApi.ts"
import { Directory } from "../log/Directory.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

const ok = JSON.stringify({ status: "ok" })

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const directory = yield* Directory
  const decode = Query.decoder(PlainQuery)

  yield* router.add("GET", "/health", (request) =>
    Reply.answer(
      request,
      Effect.fromResult(decode(request.url)).pipe(Effect.andThen(directory.check), Effect.as(ok))
    ))
}))

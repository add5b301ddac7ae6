/** `GET /health`: 200 only when an append would be recorded; what only delays readers is a warning. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import type { Health } from "../api/SystemApi.ts"
import { PlainQuery } from "../api/SystemApi.ts"
import { Directory } from "../log/Directory.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

/** Seconds that reads across streams may be held back before it is worth a word. */
const maxHorizonAge = 5

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const directory = yield* Directory
  const decode = Query.decoder(PlainQuery)

  const warnings = Effect.match(directory.horizonAge, {
    onSuccess: (age) => age > maxHorizonAge ? [heldBack(age)] : [],
    onFailure: ({ reason }) => [`Whether reads across streams are held back is unknown: ${reason}`]
  })

  yield* router.add("GET", "/health", (request) =>
    Reply.answer(
      request,
      Effect.fromResult(decode(request.url)).pipe(
        Effect.andThen(directory.check),
        Effect.andThen(warnings),
        Effect.map((warnings) => {
          const health: typeof Health.Type = warnings.length === 0 ? { status: "ok" } : { status: "ok", warnings }
          return JSON.stringify(health)
        })
      )
    ))
}))

const heldBack = (age: number): string =>
  `A write transaction in this Postgres has held back reads across streams for ${Math.floor(age)} s: ` +
  "look for it in pg_stat_activity and pg_prepared_xacts"

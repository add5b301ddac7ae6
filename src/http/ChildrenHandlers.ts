/** `GET /api/children/{path}`: the streams below one. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { ChildrenQuery } from "../api/InspectApi.ts"
import { maxChildren } from "../domain/Bounds.ts"
import type { JsonText } from "../domain/EventText.ts"
import { isoTime } from "../domain/EventText.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { Child } from "../log/Directory.ts"
import { Directory } from "../log/Directory.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

const prefix = "/api/children"

const encode = (children: ReadonlyArray<Child>): JsonText =>
  JSON.stringify(children.map((child) => ({
    ...child,
    createdAt: isoTime(child.createdAt),
    updatedAt: isoTime(child.updatedAt)
  })))

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const directory = yield* Directory
  const decode = Query.decoder(ChildrenQuery)

  const children = Effect.fnUntraced(function*(url: string) {
    const { path, within } = yield* Effect.fromResult(StreamUrl.parse(url, prefix))
    if (within) {
      return yield* new InvalidRequest({ reason: `For all below: ${prefix}${path}?recursive` })
    }
    const { after, limit = maxChildren, recursive = false } = yield* Effect.fromResult(decode(url))
    return encode(yield* directory.children(path, { recursive, limit, after }))
  })

  yield* router.add("GET", "/api/children/*", (request) => Reply.answer(request, children(request.url)))
}))

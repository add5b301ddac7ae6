/** `DELETE /api/streams/{path}`: removes the events of a stream, or of all below it too. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { DeleteQuery } from "../api/StreamsApi.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import { EventStore } from "../log/EventStore.ts"
import { prefix } from "./AppendHandlers.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const store = yield* EventStore
  const decode = Query.decoder(DeleteQuery)

  const remove = Effect.fnUntraced(function*(url: string) {
    const { path, within } = yield* Effect.fromResult(StreamUrl.parse(url, prefix))
    if (within) {
      return yield* new InvalidRequest({
        reason: `To delete a stream and all below it: DELETE ${prefix}${path}?recursive`
      })
    }
    const { recursive = false } = yield* Effect.fromResult(decode(url))
    return JSON.stringify({ deleted: yield* store.remove(path, { recursive }) })
  })

  // A deletion that has begun goes on when its client leaves, as an append does.
  yield* router.add("DELETE", `${prefix}/*`, (request) => Reply.answer(request, remove(request.url)), {
    uninterruptible: true
  })
}))

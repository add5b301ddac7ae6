/** Answers a reader with one JSON array of what exists. */
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { JsonText } from "../domain/EventText.ts"
import { Unavailable } from "../domain/StreamError.ts"
import * as NodeRequest from "./NodeRequest.ts"
import { Chunk, Outlet } from "./Outlet.ts"
import * as Reply from "./Reply.ts"
import type { Source } from "./Source.ts"

export interface Options {
  readonly limit: number | undefined
  readonly headers?: { readonly [name: string]: string }
}

/** Lines of an answer that is sent whole, and may be pretty; what is longer is sent as it is read. */
const wholeLines = 1_000

export const respond = (
  request: HttpServerRequest,
  source: Source,
  options: Options
): Effect.Effect<HttpServerResponse.HttpServerResponse, Unavailable> =>
  Effect.gen(function*() {
    let left = options.limit ?? Number.POSITIVE_INFINITY
    /** The lines of the next batch; none at the end. */
    const next = Effect.gen(function*(): Effect.fn.Return<ReadonlyArray<JsonText>, Unavailable> {
      while (left > 0) {
        const step = yield* source.next
        if (step._tag === "End") break
        // An array that ended here would look complete.
        if (step._tag === "Deleted") return yield* deleted
        if (step._tag !== "Events") continue
        const lines = step.batch.lines.slice(0, left)
        left -= lines.length
        return lines
      }
      return []
    })

    const whole: Array<JsonText> = []
    for (let lines = yield* next; lines.length > 0; lines = yield* next) {
      whole.push(...lines)
      if (whole.length > wholeLines) break
    }
    if (whole.length <= wholeLines) {
      const text = whole.length === 0 ? "[]" : `[${whole.join(",\n")}]`
      return HttpServerResponse.setHeaders(Reply.json(request, text, 200), options.headers ?? {})
    }
    const outlet = new Outlet(NodeRequest.responseOf(request))
    return yield* Effect.gen(function*() {
      outlet.open({
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        ...options.headers
      })
      if (request.method === "HEAD") return
      yield* outlet.send(new Chunk(`[${whole.join(",\n")}`))
      for (let lines = yield* next; lines.length > 0; lines = yield* next) {
        yield* outlet.send(new Chunk(`,\n${lines.join(",\n")}`))
      }
      yield* outlet.send(new Chunk("]\n"))
    }).pipe(
      Effect.catchTag("ReaderGone", () => Effect.void),
      Effect.onExit((exit) => Effect.sync(() => exit._tag === "Success" ? outlet.end() : outlet.destroy())),
      Effect.as(HttpServerResponse.empty())
    )
  }).pipe(Effect.ensuring(Effect.sync(source.close)))

const deleted = new Unavailable({ reason: "The stream was deleted while it was read", retryAfterSeconds: 1 })

/** Answers a reader with events in a format, for as long as there are any to come. */
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Unavailable } from "../domain/StreamError.ts"
import type { Heartbeat } from "./Heartbeat.ts"
import * as NodeRequest from "./NodeRequest.ts"
import { Chunk, Outlet } from "./Outlet.ts"
import * as ReadFormat from "./ReadFormat.ts"
import type { Batch, Source, Step } from "./Source.ts"

export interface Options {
  readonly name: Exclude<ReadFormat.Name, "json"> | "text"
  readonly live: boolean
  /** Ends after so many events. */
  readonly limit: number | undefined
  readonly headers?: { readonly [name: string]: string }
  readonly heartbeat: Heartbeat["Service"]
}

/** Sends what the source gives, at the pace of whoever reads it. */
export const respond = (
  request: HttpServerRequest,
  source: Source,
  options: Options
): Effect.Effect<HttpServerResponse.HttpServerResponse, Unavailable> =>
  Effect.suspend(() => {
    const format = ReadFormat.formats[options.name === "text" ? "yaml" : options.name]
    const outlet = new Outlet(NodeRequest.responseOf(request))
    const stopBeat = options.heartbeat.onBeat(() => outlet.beat(new Chunk(format.heartbeat)))
    // The first step comes before the headers: a log that is away is still a problem document then.
    return Effect.flatMap(source.next, (first) => {
      outlet.open({
        "content-type": options.name === "text" ? "text/plain; charset=utf-8" : format.contentType,
        "cache-control": "no-store",
        // Proxies that gather an answer before they pass it on would hold live events back.
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
        ...options.headers
      })
      return request.method === "HEAD" ? Effect.void : send(source, first, outlet, format, options)
    }).pipe(
      // What broke off must not look complete; who reads resumes after the last event.
      Effect.catchTag("ReaderGone", () => Effect.void),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          stopBeat()
          source.close()
          if (exit._tag === "Success") outlet.end()
          else if (outlet.isStarted) outlet.destroy()
        })
      ),
      Effect.as(HttpServerResponse.empty())
    )
  })

const send = Effect.fnUntraced(function*(
  source: Source,
  first: Step,
  outlet: Outlet,
  format: ReadFormat.ReadFormat,
  { limit, live }: Options
) {
  yield* outlet.send(new Chunk(format.open))
  let left = limit ?? Number.POSITIVE_INFINITY
  // A tail that counts looks at each batch; any other takes it without being woken.
  if (limit === undefined) source.feed?.((batch: Batch) => outlet.write(batch.chunk(format)))
  for (let step = first;; step = yield* source.next) {
    switch (step._tag) {
      case "Events": {
        const batch = step.batch.lines.length > left ? step.batch.first(left) : step.batch
        left -= batch.lines.length
        yield* outlet.send(batch.chunk(format))
        if (left === 0) return
        break
      }
      case "CaughtUp":
        yield* outlet.send(new Chunk(live || format.isFramed ? format.caughtUp(step.place) : ""))
        break
      case "Full":
        yield* outlet.flushed
        break
      case "Deleted":
        return yield* outlet.send(new Chunk(format.deleted))
      case "End":
        return
    }
  }
})

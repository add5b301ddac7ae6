/** A server that answers the requests it gets in the order of a script: a test decides where a connection breaks. */
import { Deferred, Effect } from "effect"
import { createServer } from "node:http"
import type { IncomingHttpHeaders, ServerResponse } from "node:http"

export interface Arrived {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Answer = (response: ServerResponse, request: Arrived) => void

export interface FakeServer {
  readonly baseUrl: string
  readonly requests: ReadonlyArray<Arrived>
  /** Done once so many requests have come. */
  readonly arrived: (count: number) => Effect.Effect<void>
}

/** Listens on a free port until the scope closes. What the script does not foresee is answered 500. */
export const make = Effect.fnUntraced(function*(script: ReadonlyArray<Answer>) {
  const requests: Array<Arrived> = []
  const waiting: Array<{ readonly count: number; readonly done: Deferred.Deferred<void> }> = []
  const server = createServer((incoming, response) => {
    const chunks: Array<Buffer> = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const url = new URL(incoming.url ?? "/", "http://fake")
      const request = {
        method: incoming.method ?? "",
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString()
      }
      const answer = script[requests.length]
      requests.push(request)
      for (const { count, done } of waiting) if (requests.length >= count) Deferred.doneUnsafe(done, Effect.void)
      if (answer === undefined) response.writeHead(500).end("not in the script")
      else answer(response, request)
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    requests,
    arrived: (count) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<void>()
        if (requests.length >= count) return Effect.void
        waiting.push({ count, done })
        return Deferred.await(done)
      })
  } satisfies FakeServer
})

/** A recorded event as the wire has it. */
export const event = (offset: number, type = "ping", payload: unknown = { n: offset }, streamPath = "/games") => ({
  offset,
  type,
  payload,
  streamPath,
  createdAt: "2026-01-02T03:04:05.678Z"
})

export const frame = (offset: number, type?: string, payload?: unknown) =>
  `id: ${offset}\ndata: ${JSON.stringify(event(offset, type, payload))}\n\n`

export const caughtUp = (offset: number) => `event: caught-up\ndata: {"offset":${offset}}\n\n`

export const deleted = "event: deleted\ndata: {}\n\n"

/** Server-sent events, and then the end of the connection: `end` as it should be, `break` at once, or left `open`. */
export const sse = (text: string, then: "end" | "break" | "open"): Answer => (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  write(response, `retry: 1000\n\n${text}`, then)
}

export const ndjson = (text: string, then: "end" | "break" = "end"): Answer => (response) => {
  response.writeHead(200, { "content-type": "application/x-ndjson" })
  write(response, text, then)
}

const write = (response: ServerResponse, text: string, then: "end" | "break" | "open") => {
  if (then === "end") response.end(text)
  else response.write(text, () => {
    if (then === "break") response.destroy()
  })
}

export const json = (status: number, value: unknown, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))
}

export const problem = (status: number, tag: string, fields: Record<string, unknown>): Answer => (response) => {
  const body = { type: "about:blank", title: tag, status, detail: "as the fields say", _tag: tag, ...fields }
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body))
}

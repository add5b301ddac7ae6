/**
 * One request and its answer over one connection, as callbacks of undici without a fiber or a stream in between.
 * A header that comes more than once is joined by commas, also `set-cookie`.
 */
import type { Duration } from "effect"
import type { Dispatcher } from "undici"
import { errors } from "undici"
import * as AnswerBody from "./AnswerBody.ts"
import type { Connection, Connections } from "./Connections.ts"
import * as Connector from "./Connector.ts"

export interface Request {
  readonly url: string
  readonly method: "GET" | "POST"
  /** Those of the connection and `host` are refused; `accept-encoding` is ours. */
  readonly headers: { readonly [name: string]: string }
  readonly body: string | Uint8Array | undefined
  /** For the whole exchange, the answer's body included. */
  readonly timeout: Duration.Input
  /** Bound of the answer's body after decoding. */
  readonly maxResponseBytes: number
}

export interface Response {
  readonly status: number
  /** In lower case. */
  readonly headers: { readonly [name: string]: string }
  readonly body: Uint8Array
}

/** What goes over the connection: the path of its URL, and headers as `headersOf` gives them. */
export interface Sent extends Omit<Request, "url" | "timeout"> {
  readonly path: string
  /** For the answer. */
  readonly room: AnswerBody.Room
}

/** How it ended: `refused` would be refused again, `failed` may go well another time. */
export type Ending =
  | { readonly _tag: "answered"; readonly response: Response }
  | { readonly _tag: "refused"; readonly reason: string }
  | { readonly _tag: "failed"; readonly reason: string; readonly status: number | undefined }

/** They belong to the connection, or say where the request goes. */
const ours = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

/** What is sent of the headers asked for, or why nothing is. */
export const headersOf = (asked: Sent["headers"]): { readonly [name: string]: string } | string => {
  const headers: { [name: string]: string } = {}
  for (const name of Object.keys(asked)) {
    const lower = name.toLowerCase()
    if (ours.has(lower)) return `The header ${lower} is not the sender's to set; leave it out`
    headers[lower] = asked[name] ?? ""
  }
  // What a receiver compresses all the same is decoded.
  headers["accept-encoding"] = "identity"
  return headers
}

const crowded = "All memory for answers is in use"

const codeOf = (error: Error): string | undefined =>
  "code" in error && typeof error.code === "string" ? error.code : undefined

const meanings: { readonly [code: string]: string } = {
  ECONNREFUSED: "The connection was refused",
  ECONNRESET: "The connection was reset",
  EPIPE: "The connection was reset",
  UND_ERR_HEADERS_OVERFLOW: "The answer's headers are too large",
  UND_ERR_SOCKET: "The connection was closed before the answer was complete"
}

const endingOf = (error: Error, status: number | undefined): Ending => {
  if (error instanceof Connector.Forbidden) return { _tag: "refused", reason: error.message }
  // Of what undici checks before it sends anything: names and values of headers.
  if (error instanceof errors.InvalidArgumentError) {
    return { _tag: "refused", reason: `The request cannot be sent: ${error.message}` }
  }
  const code = codeOf(error)
  const meaning = code === undefined ? undefined : meanings[code]
  return { _tag: "failed", reason: meaning ?? `No complete answer: ${error.message || code || error.name}`, status }
}

type IncomingHeaders = { readonly [name: string]: string | ReadonlyArray<string> | undefined }

const joined = (incoming: IncomingHeaders): { [name: string]: string } => {
  const headers: Array<readonly [string, string]> = []
  for (const [name, value] of Object.entries(incoming)) {
    if (value !== undefined) headers.push([name, typeof value === "string" ? value : value.join(", ")])
  }
  return Object.fromEntries(headers)
}

/**
 * Begins it, and calls `ended` once, or never if it is given up before by what is returned, which tells the status of
 * the answer that has begun. The connection goes back to the others where the answer is complete, and is closed
 * otherwise.
 */
export const begin = (
  connections: Connections,
  connection: Connection,
  sent: Sent,
  ended: (ending: Ending) => void
): () => number | undefined => {
  let over = false
  // From then on it may be another exchange's.
  let released = false
  let status: number | undefined
  let body: AnswerBody.AnswerBody | undefined

  const stop = (error: Error): void => {
    over = true
    body?.destroy()
    if (!released) connections.discard(connection, error)
  }
  const fail = (ending: Ending, error: Error): void => {
    if (over) return
    stop(error)
    ended(ending)
  }
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: () => {},
    onResponseStart: (controller, statusCode, incoming) => {
      // An interim answer: the one that counts comes later.
      if (statusCode < 200) return
      status = statusCode
      const headers = joined(incoming)
      const encoding = headers["content-encoding"]
      if (AnswerBody.decodes(encoding)) {
        // They describe the body as it was before it was decoded.
        delete headers["content-encoding"]
        delete headers["content-length"]
      }
      body = AnswerBody.make(encoding, sent.maxResponseBytes, sent.room, {
        complete: (bytes) => {
          if (over) return
          over = true
          ended({ _tag: "answered", response: { status: statusCode, headers, body: bytes } })
        },
        failed: (reason) => fail({ _tag: "failed", reason, status: brokenOff(status) }, new Error(reason)),
        crowded: () => fail({ _tag: "failed", reason: crowded, status: undefined }, new Error(crowded)),
        pause: () => controller.pause(),
        resume: () => controller.resume()
      })
    },
    onResponseData: (_, chunk) => body?.write(chunk),
    onResponseEnd: () => {
      if (over) return
      released = true
      connections.release(connection)
      body?.end()
    },
    onResponseError: (_, error) => fail(endingOf(error, brokenOff(status)), error)
  }

  connection.client.dispatch(
    { path: sent.path, method: sent.method, headers: sent.headers, body: sent.body ?? null },
    handler
  )
  return () => {
    if (!over) stop(new Error("The exchange was given up"))
    return brokenOff(status)
  }
}

/** What the status of an answer says that is not complete: of a success nothing, since what is missing may matter. */
const brokenOff = (status: number | undefined): number | undefined =>
  status !== undefined && status >= 200 && status < 300 ? undefined : status

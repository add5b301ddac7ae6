/**
 * What the reference servers of ours have in common: the part of the wire contract that is measured, without any check
 * of what arrives.
 */
import * as http from "node:http"

/** An event as it arrives. */
export interface Input {
  readonly type: string
  readonly payload?: unknown
  readonly metadata?: unknown
}

/** The events of a body: one, or an array of them. */
export const events = (body: string): ReadonlyArray<Input> => {
  const parsed: Input | Array<Input> = JSON.parse(body)
  return Array.isArray(parsed) ? parsed : [parsed]
}

/** The stream and the query of a request under `/api/streams`. */
export const address = (request: http.IncomingMessage) => {
  const url = request.url ?? "/"
  const query = url.indexOf("?")
  return {
    streamPath: url.slice("/api/streams".length, query < 0 ? undefined : query),
    query: new URLSearchParams(query < 0 ? "" : url.slice(query + 1))
  }
}

/** An event as JSON, in the order of fields that the contract shows; the payload is JSON already. */
export const stored = (
  input: Input,
  payload: string,
  streamPath: string,
  offset: number,
  createdAt: string
): string =>
  `{"type":${JSON.stringify(input.type)},"payload":${payload},`
  + (input.metadata === undefined ? "" : `"metadata":${JSON.stringify(input.metadata)},`)
  + `"offset":${offset},"streamPath":"${streamPath}","createdAt":"${createdAt}"}`

/** The answer to an append. */
export const reply = (response: http.ServerResponse, json: string): void => {
  response.writeHead(201, { "content-type": "application/json", "content-length": Buffer.byteLength(json) })
  response.end(json)
}

export const greeting = "retry: 1000\n\n"
export const frame = (offset: number, json: string): string => `id: ${offset}\ndata: ${json}\n\n`
export const caughtUp = (offset: number): string => `event: caught-up\ndata: {"offset":${offset}}\n\n`

/** Listens on a free port, prints the URL as a line of JSON, and ends with its standard input or on SIGTERM. */
export const serve = (handler: http.RequestListener): void => {
  const server = http.createServer(handler)
  server.listen(0, "127.0.0.1", () => {
    const bound = server.address()
    if (typeof bound !== "object" || bound === null) throw new Error("the server has no address")
    console.log(JSON.stringify({ url: `http://127.0.0.1:${bound.port}` }))
  })
  endWithParent()
}

/** Ends the process when whoever started it has gone. */
export const endWithParent = (): void => {
  process.stdin.once("end", () => process.exit(0)).resume()
  process.once("SIGTERM", () => process.exit(0))
}

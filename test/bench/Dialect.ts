/**
 * The two protocols that are measured, as the bytes of their requests: ours, and that of Durable Streams. Ours is
 * spoken by the product, `proto` and `ceiling`.
 */

/** Where a server listens and how it is spoken to, as plain data that a child process can be given. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly dialect: "millstream" | "durable"
  /** The server's process, whose CPU time is read. */
  readonly pid: number
}

export type Format = "sse" | "ndjson"

export interface Dialect {
  /** Makes a stream, where that is a request of its own. */
  readonly create: (path: string) => Buffer | undefined
  /** Appends a JSON text: one event, or an array of them. */
  readonly append: (path: string, json: string) => Buffer
  /** Opens a tail that begins at the stream's end, of events of one type where that is given. */
  readonly tail: (path: string, type?: string) => Buffer
  /** Reads the stream from its start. */
  readonly catchUp: (path: string, format: Format) => Buffer
  readonly get: (pathAndQuery: string) => Buffer
}

/** The requests of a server's protocol. */
export const of = (target: Target): Dialect => {
  const request = (method: string, path: string, headers: string, body?: string) =>
    Buffer.from(
      `${method} ${path} HTTP/1.1\r\nhost: ${target.host}:${target.port}\r\n${headers}`
        + (body === undefined ? "\r\n" : `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    )
  const json = "content-type: application/json\r\n"
  const sse = "accept: text/event-stream\r\n"
  const get = (path: string) => request("GET", path, "")
  if (target.dialect === "durable") {
    return {
      create: (path) => request("PUT", path, json, ""),
      append: (path, body) => request("POST", path, json, body),
      tail: (path) => request("GET", `${path}?live=sse&offset=now`, sse),
      // Its closed read is one JSON array: the nearest it has to lines of JSON.
      catchUp: (path, format) =>
        format === "sse" ? request("GET", `${path}?live=sse&offset=-1`, sse) : get(`${path}?offset=-1`),
      get
    }
  }
  return {
    create: () => undefined,
    append: (path, body) => request("POST", `/api/streams${path}`, json, body),
    tail: (path, type) => {
      const types = type === undefined ? "" : `&types=${encodeURIComponent(type)}`
      return request("GET", `/api/streams${path}?afterOffset=end${types}`, sse)
    },
    catchUp: (path, format) => get(`/api/streams${path}?live=false&format=${format}`),
    get
  }
}

/**
 * What goes over the wire of a load: requests on kept connections, and the events of an answer as the checker knows
 * them. A body is held whole.
 */
import { createHash } from "node:crypto"
import * as http from "node:http"
import type { Logged } from "./Checker.ts"

/** Longer than Postgres is frozen in any fault; then the outcome is unknown. */
const patience = 30_000

export interface Answer {
  readonly status: number
  readonly body: string
}

/** The connections of one client. */
export const agent = (): http.Agent => new http.Agent({ keepAlive: true })

export interface Asked {
  readonly port: number
  readonly path: string
  readonly method?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string
  readonly agent?: http.Agent
}

/** Fails where the connection does. */
export const ask = ({ agent, body, headers = {}, method = "GET", path, port }: Asked): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, method, headers, timeout: patience }
    const request = http.request({ ...options, ...(agent === undefined ? {} : { agent }) })
    request.once("timeout", () => request.destroy(new Error("no answer in time")))
    request.once("error", reject)
    request.once("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.once("error", reject)
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
    })
    request.end(body)
  })

/** As much of an event as a client sends. */
export interface Sent {
  readonly type: string
  readonly payload: unknown
  readonly metadata?: unknown
  readonly idempotencyKey?: string | undefined
}

/** The digest of what a client sent, which is what it must be forever. */
export const contentOf = ({ idempotencyKey, metadata, payload, type }: Sent): string => {
  const text = JSON.stringify([type, payload, metadata ?? null, idempotencyKey ?? null])
  const hash = createHash("sha256").update(text).digest("base64url")
  return `${nameOf(payload) ?? type}:${hash}`
}

const nameOf = (payload: unknown): string | undefined =>
  typeof payload === "object" && payload !== null && "name" in payload ? String(payload.name) : undefined

/** As much of a recorded event as is looked at. */
export interface Event extends Sent {
  readonly streamPath: string
  readonly offset: number
}

/** An event in its wire form. */
export const logged = (line: string): Logged => recorded(JSON.parse(line))

/** The same, parsed. */
export const recorded = (event: Event): Logged => ({
  path: event.streamPath,
  offset: event.offset,
  content: contentOf(event),
  own: event.type.startsWith("stream/")
})

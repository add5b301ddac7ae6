/**
 * A reader of server-sent events that resumes with the last id it saw, whenever its connection ends and at times by its
 * own choice. It records what it saw, in order, over all its connections.
 */
import * as http from "node:http"
import { setTimeout as delay } from "node:timers/promises"
import type { Logged, Tail } from "./Checker.ts"
import type { Random } from "./Random.ts"
import * as Traffic from "./Traffic.ts"

/** Pause before it connects again. */
const reconnectAfter = 20
/** A server says something every 15 s; one that is silent for longer is not there. */
const silence = 40_000

export interface Follower {
  readonly seen: ReadonlyArray<Logged>
  readonly connections: () => number
  /** Stops; what it saw is complete if it was waited for. */
  readonly stop: (complete: boolean) => Promise<Tail>
}

export interface Options {
  readonly port: number
  readonly path: string
  /** All streams below too. */
  readonly within: boolean
  /** Cuts its own connection now and then. */
  readonly random?: Random | undefined
}

export const start = ({ path, port, random, within }: Options): Follower => {
  const seen: Array<Logged> = []
  let lastId: string | undefined
  let connections = 0
  let stopped = false
  let current: http.ClientRequest | undefined

  const connect = () =>
    new Promise<void>((resolve) => {
      let left = random?.whole(50, 2_000) ?? Number.POSITIVE_INFINITY
      const request = http.get({
        host: "127.0.0.1",
        port,
        path: `/api/streams${path === "/" ? "" : path}${within ? "/**" : ""}`,
        headers: { accept: "text/event-stream", ...(lastId === undefined ? {} : { "last-event-id": lastId }) },
        timeout: silence,
        agent: false
      })
      current = request
      request.once("timeout", () => request.destroy())
      // However a connection ends, the next one resumes.
      request.once("error", () => resolve())
      request.once("close", () => resolve())
      request.once("response", (response) => {
        if (response.statusCode !== 200) return void request.destroy()
        connections += 1
        let rest = ""
        response.setEncoding("utf8")
        response.on("error", () => resolve())
        response.on("data", (chunk: string) => {
          const frames = (rest + chunk).split("\n\n")
          rest = frames.pop() ?? ""
          for (const frame of frames) {
            if (left <= 0) return
            const { data, event, id } = fieldsOf(frame)
            if (event !== undefined || data === undefined) continue
            seen.push(Traffic.logged(data))
            lastId = id ?? lastId
            if (--left === 0) request.destroy()
          }
        })
      })
    })

  const running = (async () => {
    while (!stopped) {
      await connect()
      if (!stopped) await delay(reconnectAfter)
    }
  })()

  return {
    seen,
    connections: () => connections,
    stop: async (complete) => {
      stopped = true
      current?.destroy()
      await running
      return { name: `tail of ${path}`, path, within, seen, complete }
    }
  }
}

/** The fields of a frame; an event has data and no name. */
const fieldsOf = (frame: string) => {
  const fields = new Map<string, string>()
  for (const line of frame.split("\n")) {
    const colon = line.indexOf(":")
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""))
  }
  return { id: fields.get("id"), event: fields.get("event"), data: fields.get("data") }
}

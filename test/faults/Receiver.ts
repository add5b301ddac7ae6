/**
 * A receiver that remembers every push, and strikes in the middle of one. It is in the process of the test, so that
 * what it does at a moment is done before anything else happens. Its slugs behave as their names say: `answering`
 * replies with events, `flaky` refuses or breaks off now and then, `signed` looks at signatures.
 */
import * as http from "node:http"
import type { Socket } from "node:net"
import { Webhook } from "standardwebhooks"
import { listen } from "../bench/ReceiverPort.ts"
import type { Attempt } from "./DeliverChecker.ts"
import type { Random } from "./Random.ts"
import * as Traffic from "./Traffic.ts"

/** Moments in a push, in their order. */
export const moments = ["connected", "headers", "half-body", "taken", "half-answer", "answered", "refused"] as const
export type Moment = typeof moments[number]

/** Events that a reply asks to append: one on the stream of the event, and one on another. */
export const replies = 2
export const answered = "faults/answered"
/** How many pushes in a hundred `flaky` does not take. */
const flakiness = 25
/** A body of which half can be read is longer than what comes at once, in bytes. */
const longBody = 256 * 1_024

export interface Receiver {
  readonly url: (slug: string) => string
  readonly target: string
  readonly attempts: ReadonlyArray<Attempt>
  /** What was wrong with pushes beside their events: headers and signatures. */
  readonly problems: ReadonlyArray<string>
  /** Runs `act` the next time that a push to the slug, if one is named, comes to the moment. */
  readonly strike: (moment: Moment, slug: string | undefined, act: () => void) => void
  /** From now on nothing is refused. */
  readonly heal: () => void
  readonly close: () => Promise<void>
}

export interface Options {
  /** The number of the life that the service is in. */
  readonly life: () => number
  readonly secret: string
  /** The stream that the second event of a reply goes to. */
  readonly elsewhere: string
  readonly random: Random
}

interface Pushed {
  readonly events: ReadonlyArray<Traffic.Event>
}

const parse = (text: string): ReadonlyArray<Traffic.Event> => {
  const body: Traffic.Event | Pushed = JSON.parse(text)
  return "events" in body ? body.events : [body]
}

export const make = async ({ elsewhere, life, random, secret }: Options): Promise<Receiver> => {
  const attempts: Array<Attempt> = []
  const problems: Array<string> = []
  const lives = new WeakMap<Socket, number>()
  const webhook = new Webhook(Buffer.from(secret).toString("base64"))
  let armed: { readonly moment: Moment; readonly slug: string | undefined; readonly act: () => void } | undefined
  let healed = false

  const reached = (moment: Moment, slug?: string): boolean => {
    if (armed?.moment !== moment || (armed.slug !== undefined && armed.slug !== slug)) return false
    const { act } = armed
    armed = undefined
    act()
    return true
  }

  const judgeHeaders = (
    slug: string,
    request: http.IncomingMessage,
    body: Buffer,
    events: ReadonlyArray<Traffic.Event>
  ): void => {
    const header = (name: string) => String(request.headers[name] ?? "")
    const last = events.at(-1)
    const isBatchBelow = slug === "below-batched"
    const wanted: Record<string, string> = {
      "content-type": "application/json",
      "millstream-subscription": slug,
      ...(last === undefined || isBatchBelow
        ? {}
        : { "millstream-stream": last.streamPath, "millstream-offset": String(last.offset) })
    }
    for (const [name, value] of Object.entries(wanted)) {
      if (header(name) !== value) problems.push(`${slug}: ${name} is ${header(name)}, not ${value}`)
    }
    if (slug !== "signed") return
    const headers = Object.fromEntries(
      ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, header(name)])
    )
    try {
      webhook.verify(body, headers)
    } catch (error) {
      problems.push(`${slug}: ${String(error)}`)
    }
  }

  const take = (slug: string, request: http.IncomingMessage, response: http.ServerResponse, body: Buffer): void => {
    const { socket } = request
    const at = performance.now()
    const events = parse(body.toString())
    judgeHeaders(slug, request, body, events)
    const number = attempts.length
    const attempt: Attempt = {
      number,
      slug,
      webhookId: String(request.headers["webhook-id"] ?? ""),
      events: events.map((event) => {
        const { content, offset, path } = Traffic.recorded(event)
        return { path, offset, content }
      }),
      life: lives.get(socket) ?? -1,
      at
    }
    attempts.push(attempt)
    if (reached("taken", slug)) return void socket.destroy()
    if (!healed && slug === "flaky" && random.whole(1, 100) <= flakiness) {
      // Every other time it says that it takes it, and breaks off.
      if (random.whole(0, 1) === 0) response.writeHead(500).end(() => void reached("refused", slug))
      else response.writeHead(200, { "content-length": 100 }).write(" ".repeat(50), () => void socket.destroy())
      return
    }
    const answer = slug === "answering" && events[0] !== undefined ? replyTo(events[0], number) : ""
    if (armed?.moment === "half-answer" && (armed.slug ?? slug) === slug) {
      response.writeHead(200, { "content-type": "application/json", "content-length": answer.length + 100 })
      response.write(`${answer}${" ".repeat(50)}`, () => {
        reached("half-answer", slug)
        socket.destroy()
      })
      return
    }
    response.writeHead(200, { "content-type": "application/json" }).end(answer, () => {
      attempts[number] = { ...attempt, takenAt: performance.now() }
      reached("answered", slug)
    })
  }

  const replyTo = ({ offset, streamPath }: Traffic.Event, attempt: number): string =>
    JSON.stringify({
      append: Array.from({ length: replies }, (_, index) => ({
        type: answered,
        payload: { path: streamPath, offset, attempt, index },
        ...(index === 0 ? {} : { streamPath: elsewhere })
      }))
    })

  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const slug = (request.url ?? "").slice(1)
    const { socket } = request
    request.on("error", () => undefined)
    response.on("error", () => undefined)
    if (reached("headers", slug)) return void socket.destroy()
    const length = Number(request.headers["content-length"] ?? 0)
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => {
      if (length >= longBody && reached("half-body", slug)) return void socket.destroy()
      chunks.push(chunk)
    })
    request.on("end", () => take(slug, request, response, Buffer.concat(chunks)))
  })
  server.on("connection", (socket) => {
    lives.set(socket, life())
    socket.on("error", () => undefined)
    if (reached("connected")) socket.destroy()
  })
  const port = await listen(server)
  return {
    url: (slug) => `http://127.0.0.1:${port}/${slug}`,
    target: `127.0.0.1:${port}`,
    attempts,
    problems,
    strike: (moment, slug, act) => {
      armed = { moment, slug, act }
      // The next push has to open one.
      if (moment === "connected") server.closeIdleConnections()
    },
    heal: () => {
      healed = true
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

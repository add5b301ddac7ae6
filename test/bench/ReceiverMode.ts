/**
 * What a receiver does with a push once it has arrived whole: healthy ones take it, the others are what the internet
 * has. Each works on the socket, below what an HTTP server would put right.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"

/** Ways to misbehave. */
export const bad = [
  "hang",
  "late",
  "error",
  "reset",
  "endless",
  "redirect",
  "vanish",
  "slow-headers",
  "gzip-bomb",
  "garbage"
] as const

export type Mode = typeof bad[number] | "healthy"

/** Whether its answer is a success, and complete. */
export const takes = (mode: Mode): boolean => mode === "healthy" || mode === "vanish"

/** How late `late` answers, and how often `slow-headers` sends another header, in milliseconds. */
const lateMillis = 60_000
const slowMillis = 500

/** A receiver that vanishes is there for so long and away for so long, in milliseconds. */
export const vanishing = { there: 1_000, away: 2_000 } as const

const chunk = Buffer.alloc(64 * 1_024, "x")

/** Members of 16 MiB that are one gzip stream of 1 GiB. */
const bombMembers = 64
const bomb = Buffer.concat(Array<Buffer>(bombMembers).fill(gzipSync(Buffer.alloc(16 * 1_024 * 1_024))))

const endless = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "application/json" })
  const pump = () => {
    while (!response.destroyed) if (!response.write(chunk)) return void response.once("drain", pump)
  }
  pump()
}

const slowly = (request: IncomingMessage): void => {
  const { socket } = request
  socket.write("HTTP/1.1 200 OK\r\n")
  const timer = setInterval(() => socket.write("x-slow: a\r\n"), slowMillis)
  socket.once("close", () => clearInterval(timer))
}

/** Answers. A receiver that vanishes is healthy while it is there. */
export const answer = (mode: Mode, request: IncomingMessage, response: ServerResponse, elsewhere: string): void => {
  const { socket } = request
  switch (mode) {
    case "healthy":
    case "vanish":
      response.writeHead(200, { "content-length": 0 }).end()
      return
    case "hang":
      return
    case "late": {
      const timer = setTimeout(() => response.writeHead(200, { "content-length": 0 }).end(), lateMillis)
      socket.once("close", () => clearTimeout(timer))
      return
    }
    case "error":
      response.writeHead(500, { "content-type": "text/plain" }).end("it broke")
      return
    case "reset":
      response.writeHead(200, { "content-length": 1_000 })
      response.write("x".repeat(500), () => socket.resetAndDestroy())
      return
    case "endless":
      return endless(response)
    case "redirect":
      response.writeHead(307, { location: elsewhere, "content-length": 0 }).end()
      return
    case "slow-headers":
      return slowly(request)
    case "gzip-bomb":
      response.writeHead(200, { "content-encoding": "gzip", "content-length": bomb.length }).end(bomb)
      return
    case "garbage":
      socket.end("SSH-2.0-OpenSSH_9.2\r\n")
      return
  }
}

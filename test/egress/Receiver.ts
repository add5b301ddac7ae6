/** A receiver on loopback that answers as a test says, and knows what became of its connections. */
import { Deferred, Effect } from "effect"
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from "node:http"
import { createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import type { Socket } from "node:net"
import { isIP } from "node:net"
import type { Resolve } from "../../src/egress/Names.ts"

export interface Arrived {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Counted from 1 in the order in which they were opened. */
  readonly connection: number
}

export type Answer = (response: ServerResponse, request: Arrived, socket: Socket) => void

export interface Receiver {
  readonly port: number
  readonly target: string
  readonly url: string
  readonly requests: ReadonlyArray<Arrived>
  readonly opened: () => number
  /** Done once so many requests have come, or so many connections are closed. */
  readonly arrived: (count: number) => Effect.Effect<void>
  readonly closed: (count: number) => Effect.Effect<void>
}

/** Names of which all lead to these addresses, or to none because of an error. */
export const resolving = (...found: ReadonlyArray<string | Error>): Resolve => (_, answer) => {
  const error = found.find((each) => each instanceof Error) ?? null
  const addresses = found.filter((each) => typeof each === "string")
  answer(error, addresses.map((address) => ({ address, family: isIP(address) })))
  return () => {}
}

/** Listens on a free port of 127.0.0.1 until the scope closes; by TLS if it has a certificate. */
export const make = Effect.fnUntraced(function*(
  answer: Answer,
  certificate?: { readonly key: string; readonly cert: string }
) {
  const requests: Array<Arrived> = []
  const sockets: Array<Socket> = []
  let closed = 0
  const waiting: Array<{ readonly holds: () => boolean; readonly done: Deferred.Deferred<void> }> = []
  const look = () => {
    for (const { done, holds } of waiting) if (holds()) Deferred.doneUnsafe(done, Effect.void)
  }
  const until = (holds: () => boolean) =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<void>()
      waiting.push({ holds, done })
      look()
      return Deferred.await(done)
    })

  const listener: RequestListener = (incoming, response) => {
    const chunks: Array<Buffer> = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const request = {
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
        connection: sockets.indexOf(incoming.socket) + 1
      }
      requests.push(request)
      answer(response, request, incoming.socket)
      look()
    })
  }
  const server = certificate === undefined ? createServer(listener) : createSecureServer(certificate, listener)
  server.on("connection", (socket) => {
    sockets.push(socket)
    socket.on("error", () => {})
    socket.on("close", () => {
      closed += 1
      look()
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const receiver: Receiver = {
    port,
    target: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/hook`,
    requests,
    opened: () => sockets.length,
    arrived: (count) => until(() => requests.length >= count),
    closed: (count) => until(() => closed >= count)
  }
  return receiver
})

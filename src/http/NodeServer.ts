/**
 * The server of `node:http` and the bounds of what may connect to it. Known limit: a socket past the bound is closed
 * without an answer, since to say why its request would have to be read.
 */
import { Effect, Metric } from "effect"
import { createServer } from "node:http"
import type { Settings } from "../ServiceConfig.ts"

/** Milliseconds for a request's headers: a sender that is slower holds a socket for nothing. */
const headersTimeout = 10_000
/**
 * Sockets beside those of tails: senders, short reads and connections kept open between two requests. A quiet one costs
 * about 10 KB, and more senders than this at once would wait for each other and not for a socket.
 */
export const otherSockets = 10_000

const refused = Metric.counter("millstream_sockets_refused_total", {
  description: "Sockets closed unanswered because as many as the server takes were open",
  incremental: true
})

/** A server that listens to nothing yet. */
export const make = Effect.fnUntraced(function*({ maxTails, requestSeconds }: Settings) {
  const context = yield* Effect.context<never>()
  const requestTimeout = requestSeconds * 1_000
  const server = createServer({ requestTimeout, headersTimeout: Math.min(headersTimeout, requestTimeout) })
  server.maxConnections = maxTails + otherSockets
  server.on("drop", () => refused.updateUnsafe(1, context))
  return server
})

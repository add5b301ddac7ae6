/**
 * The short way for the request that comes most: an append without a query goes from Node's parser to the log
 * and back without a route, a fiber or a response object of its own. Whatever is unusual about a request leaves
 * it to `AppendHandlers`, which answers the same.
 */
import { Effect, Exit, Result } from "effect"
import { IncomingMessage, ServerResponse } from "node:http"
import type { Server } from "node:http"
import { maxRequestBytes } from "../domain/Bounds.ts"
import { Unavailable } from "../domain/StreamError.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Access from "./Access.ts"
import { prefix } from "./AppendHandlers.ts"
import * as Appending from "./Appending.ts"
import * as Arriving from "./Arriving.ts"
import * as JsonIndent from "./JsonIndent.ts"
import * as Problem from "./Problem.ts"
import * as Recording from "./Recording.ts"
import * as Reply from "./Reply.ts"

/** Makes a server take appends this way. */
export const make = Effect.gen(function*() {
  const recording = yield* Recording.make
  const settings = yield* ServiceConfig
  const access = Access.make(settings)
  const terms = { redactedHeaders: new Set(settings.redactedHeaders) }
  const runFork = Effect.runForkWith(yield* Effect.context<never>())

  /** Takes a request; false where it is not one of these. */
  const take = (incoming: IncomingMessage, response: ServerResponse): boolean => {
    const { headers, method, url } = incoming
    if (method !== "POST" || url === undefined || !url.startsWith(`${prefix}/`) || url.includes("?")) return false
    // Without a length it may turn out too long, and the rest of it must be dealt with then.
    const length = headers["content-length"]
    if (length === undefined || Number(length) > maxRequestBytes) return false
    const { authorization, host, origin } = headers
    const told = { authorization, host, origin, "user-agent": headers["user-agent"] }
    const asked = { method, url, headers: { ...told, "sec-fetch-site": headers["sec-fetch-site"] } }
    if (access.refuse(asked) !== undefined) return false
    const target = Appending.target(url, prefix)
    if (Result.isFailure(target)) return false
    const isPretty = Reply.isPretty(asked)

    const send = (
      status: number,
      text: string,
      contentType: string,
      more: { readonly [name: string]: string } = {}
    ) => {
      if (response.writableEnded || response.destroyed) return
      const body = isPretty ? JsonIndent.indent(text) : text
      const length = Buffer.byteLength(body)
      response.writeHead(status, {
        "content-type": contentType,
        "content-length": length,
        ...access.headers(asked),
        ...more
      })
      // Text that is ASCII throughout is the same in both, and need not be transcoded as Latin-1.
      response.end(body, length === body.length ? "latin1" : "utf8")
    }
    const refuse = (error: StreamError) =>
      send(
        Problem.statusOf(error),
        JSON.stringify(Problem.toDocument(error)),
        Problem.contentType,
        Problem.headersOf(error)
      )
    const append = (arrived: Arriving.Arrived) => {
      const replied = Effect.suspend(() => {
        const asked = Result.flatMap(
          arrived,
          (body) => Appending.decode(incoming, target.success, body, terms)
        )
        if (Result.isFailure(asked)) return Effect.fail(asked.failure)
        return recording.record(asked.success, incoming.headers)
      })
      // Nobody interrupts this: an append whose client has gone still commits.
      runFork(replied).addObserver((exit) => {
        if (Exit.isSuccess(exit)) return send(exit.value.status, exit.value.text, "application/json")
        const error = Exit.findErrorOption(exit)
        if (error._tag === "Some") return refuse(error.value)
        runFork(Effect.logError("An append ended in a defect", exit.cause))
        refuse(broken)
      })
    }
    Arriving.listen(incoming, append)
    return true
  }

  return (server: Server): Server => {
    const emit = server.emit.bind(server)
    server.emit = (event: string, ...args: ReadonlyArray<unknown>) => {
      const [incoming, response] = args
      return event === "request" && incoming instanceof IncomingMessage && response instanceof ServerResponse &&
          take(incoming, response) || emit(event, ...args)
    }
    return server
  }
})

const broken = new Unavailable({
  reason: "The server failed; its log says why",
  retryAfterSeconds: 1
})

/** Takes in a request's body, up to a bound, as the bytes that arrived. */
import { Effect, Result } from "effect"
import type { IncomingMessage } from "node:http"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { PayloadTooLarge } from "../domain/StreamError.ts"
import * as ContentEncoding from "./ContentEncoding.ts"

/** What a body's bytes became. */
export type Arrived = Result.Result<Buffer, PayloadTooLarge | InvalidRequest>

/** Calls back once with all of the body. What is past the bound is refused before it is read, where its length is told. */
export const listen = (incoming: IncomingMessage, done: (arrived: Arrived) => void): void => {
  if (Number(incoming.headers["content-length"] ?? 0) > ContentEncoding.maxRequestBytes) {
    return done(Result.fail(ContentEncoding.tooLarge()))
  }
  let first: Buffer | undefined
  let chunks: Array<Buffer> | undefined
  let bytes = 0
  let isDone = false
  const finish = (arrived: Arrived) => {
    if (isDone) return
    isDone = true
    done(arrived)
  }
  incoming.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (first === undefined) first = chunk
    else if (bytes <= ContentEncoding.maxRequestBytes) (chunks ??= [first]).push(chunk)
    else finish(Result.fail(ContentEncoding.tooLarge()))
  })
  incoming.on("end", () => finish(Result.succeed(chunks === undefined ? first ?? none : Buffer.concat(chunks))))
  incoming.on("close", () => finish(cut))
  incoming.on("error", () => finish(cut))
}
const none = Buffer.alloc(0)
const cut: Arrived = Result.fail(new InvalidRequest({ reason: "The body ended before it was complete" }))

/** All of the body. */
export const body = (incoming: IncomingMessage): Effect.Effect<Buffer, PayloadTooLarge | InvalidRequest> =>
  Effect.callback((resume) => listen(incoming, (arrived) => resume(Effect.fromResult(arrived))))

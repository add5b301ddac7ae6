/** Takes in a request's body, up to a bound, as the bytes that arrived. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { PayloadTooLarge } from "../domain/StreamError.ts"
import * as ContentEncoding from "./ContentEncoding.ts"

/** All of the body. What is past the bound is refused before it is read, where its length was told. */
export const body = (request: HttpServerRequest): Effect.Effect<Buffer, PayloadTooLarge | InvalidRequest> =>
  Effect.callback((resume) => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    if (Number(incoming.headers["content-length"] ?? 0) > ContentEncoding.maxRequestBytes) {
      return resume(Effect.fail(ContentEncoding.tooLarge()))
    }
    const chunks: Array<Buffer> = []
    let bytes = 0
    const stop = () => {
      incoming.off("data", onData).off("end", onEnd).off("error", onCut).off("close", onCut)
    }
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes <= ContentEncoding.maxRequestBytes) return
      stop()
      resume(Effect.fail(ContentEncoding.tooLarge()))
    }
    const onEnd = () => {
      stop()
      const [first] = chunks
      resume(Effect.succeed(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)))
    }
    const onCut = () => {
      stop()
      resume(Effect.fail(new InvalidRequest({ reason: "The body ended before it was complete" })))
    }
    incoming.on("data", onData).on("end", onEnd).on("error", onCut).on("close", onCut)
    return Effect.sync(stop)
  })

/** Takes in a request's body, up to a bound of its own and one of all bodies together, as the bytes that arrived. */
import { Effect, Result } from "effect"
import type { IncomingMessage } from "node:http"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { PayloadTooLarge, Unavailable } from "../domain/StreamError.ts"
import * as BodyRoom from "./BodyRoom.ts"
import * as Bound from "./Bound.ts"

/** What a body's bytes became. */
export type Arrived = Result.Result<Buffer, PayloadTooLarge | InvalidRequest | Unavailable>

/**
 * Calls back once with all of the body. What is past the bound is refused before it is read, where its length is told;
 * what has no room is refused as soon as there is none.
 */
export const listen = (
  incoming: IncomingMessage,
  done: (arrived: Arrived) => void,
  bound: Bound.Bound = Bound.ofRequest,
  room: BodyRoom.BodyRoom = BodyRoom.ofProcess
): void => {
  const length = Number(incoming.headers["content-length"] ?? Number.NaN)
  if (length > bound.bytes) return done(Result.fail(bound.tooLarge()))
  // Its sender left before anybody listened, so that no event would tell.
  if (incoming.destroyed) return done(cut)
  let first: Buffer | undefined
  let chunks: Array<Buffer> | undefined
  let bytes = 0
  let held = 0
  let isDone = false
  const finish = (arrived: Arrived) => {
    if (isDone) return
    isDone = true
    room.giveBack(held)
    first = chunks = undefined
    done(arrived)
  }
  incoming.on("data", (chunk: Buffer) => {
    // The rest of a body that was refused is read, so that the connection can be used again, and not kept.
    if (isDone) return
    bytes += chunk.length
    if (bytes > bound.bytes) return finish(Result.fail(bound.tooLarge()))
    // A body that is complete takes none: short ones, which come in one piece, get by where slow ones fill the room.
    if (bytes !== length) {
      if (!room.take(chunk.length)) return finish(Result.fail(BodyRoom.isFull()))
      held += chunk.length
    }
    if (first === undefined) first = chunk
    else (chunks ??= [first]).push(chunk)
  })
  incoming.on("end", () => finish(Result.succeed(chunks === undefined ? first ?? none : Buffer.concat(chunks))))
  incoming.on("close", () => finish(cut))
  incoming.on("error", () => finish(cut))
}
const none = Buffer.alloc(0)
const cut: Arrived = Result.fail(new InvalidRequest({ reason: "The body ended before it was complete" }))

/** All of the body. */
export const body = (
  incoming: IncomingMessage,
  bound?: Bound.Bound,
  room?: BodyRoom.BodyRoom
): Effect.Effect<Buffer, PayloadTooLarge | InvalidRequest | Unavailable> =>
  Effect.callback((resume) => listen(incoming, (arrived) => resume(Effect.fromResult(arrived)), bound, room))

/**
 * Server-sent events off the wire. A frame counts once its blank line has come, so a connection that breaks inside one
 * leaves nothing behind.
 */
import { Effect, Stream } from "effect"
import * as Sse from "effect/encoding/Sse"

/** A frame: `event` is `message` where the server names none; comments and `retry` are no frames. */
export interface SseFrame {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

/**
 * Bound of one frame, in UTF-16 units. An event of 1 MiB that arrives as bytes with control characters is kept both as
 * text and as it came, each with escapes of six characters; this leaves room beyond.
 */
const maxFrameLength = 32 * 1_024 * 1_024

/** Frames in the order of the wire. One that exceeds the bound is a defect: no server of the contract sends it. */
export const fromBytes = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<SseFrame, E, R> =>
  Stream.suspend(() => {
    let frames: Array<SseFrame> = []
    const parser = Sse.makeParser(
      (event) => {
        if (event._tag === "Event") frames.push({ event: event.event, id: event.id, data: event.data })
      },
      { maxEventSize: maxFrameLength, dispatchEmptyNamedEvents: true }
    )
    return bytes.pipe(
      Stream.decodeText,
      Stream.mapEffect((text) => {
        const tooLarge = parser.feed(text)
        if (tooLarge !== undefined) return Effect.die(tooLarge)
        const complete = frames
        frames = []
        return Effect.succeed(complete)
      }),
      Stream.flattenIterable
    )
  })

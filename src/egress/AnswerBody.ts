/**
 * The body of an answer as it arrives: decoded, counted after decoding, and kept in one piece of memory of at most
 * twice what it holds, however small the pieces are that a receiver sends it in. Knows gzip, deflate and br, one at a
 * time; what is encoded otherwise stays as it came, with its `content-encoding`.
 */
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib"
import type { Transform } from "node:stream"

/** Memory to begin with, in bytes: most answers to a webhook are short. */
const firstBytes = 1_024

/** Bound of what arrives, as a multiple of what may come out: a body can be encoded so that nothing ever comes out. */
const maxEncodedTimes = 2

/** Memory that bodies share while they arrive, beside the first piece of each. */
export interface Room {
  /** Whether there is so much left, which is taken then. */
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
}

/** Room for so many bytes. */
export const room = (bytes: number): Room => {
  let left = bytes
  return {
    take: (bytes) => {
      if (bytes > left) return false
      left -= bytes
      return true
    },
    give: (bytes) => {
      left += bytes
    }
  }
}

/** What becomes of it: each is called at most once, and only one of the three ends. */
export interface Outcome {
  readonly complete: (body: Uint8Array) => void
  readonly failed: (reason: string) => void
  /** There is no room left for it, which says nothing of the answer. */
  readonly crowded: () => void
  /** More arrives than can be decoded; `resume` says when to go on. */
  readonly pause: () => void
  readonly resume: () => void
}

export interface AnswerBody {
  readonly write: (chunk: Uint8Array) => void
  readonly end: () => void
  /** Nothing more is wanted. */
  readonly destroy: () => void
}

// Both are called deflate; the header of zlib has 8 in its low half, which would be no block that is used raw.
const inflate = (first: Uint8Array): Transform => ((first[0] ?? 0) & 0x0f) === 8 ? createInflate() : createInflateRaw()

const decoders: { readonly [encoding: string]: (first: Uint8Array) => Transform } = {
  "gzip": () => createGunzip(),
  "x-gzip": () => createGunzip(),
  "deflate": inflate,
  "br": () => createBrotliDecompress()
}

const decoderOf = (encoding: string | undefined) => {
  const name = encoding?.trim().toLowerCase() ?? ""
  return Object.hasOwn(decoders, name) ? decoders[name] : undefined
}

/** Whether it is decoded, so that the headers no longer describe it. */
export const decodes = (encoding: string | undefined): boolean => decoderOf(encoding) !== undefined

/** Fails as soon as more than `maxBytes` are there after decoding. Gives its room back when it ends. */
export const make = (encoding: string | undefined, maxBytes: number, room: Room, outcome: Outcome): AnswerBody => {
  let memory = new Uint8Array(Math.min(firstBytes, maxBytes))
  let length = 0
  let arrived = 0
  let taken = 0
  let ended = false
  let decoder: Transform | undefined

  const finish = (): void => {
    ended = true
    room.give(taken)
    taken = 0
  }
  const destroy = (): void => {
    finish()
    decoder?.destroy()
  }
  const fail = (reason: string): void => {
    if (ended) return
    destroy()
    outcome.failed(reason)
  }
  const failTooLarge = (): void => fail(`The answer has more than ${maxBytes} bytes`)
  const keep = (chunk: Uint8Array): void => {
    if (ended) return
    const total = length + chunk.length
    if (total > maxBytes) return failTooLarge()
    if (total > memory.length) {
      const size = Math.min(Math.max(total, memory.length * 2), maxBytes)
      const more = size - memory.length
      if (!room.take(more)) {
        destroy()
        return outcome.crowded()
      }
      taken += more
      const larger = new Uint8Array(size)
      larger.set(memory.subarray(0, length))
      memory = larger
    }
    memory.set(chunk, length)
    length = total
  }
  const complete = (): void => {
    if (ended) return
    finish()
    outcome.complete(memory.length === length ? memory : memory.slice(0, length))
  }
  const decoderFor = (first: Uint8Array): Transform | undefined => {
    const opened = decoderOf(encoding)?.(first)
    opened?.on("data", keep).on("end", complete).on("drain", () => outcome.resume())
    return opened?.on("error", (error) => fail(`The answer is not ${encoding}: ${error.message}`))
  }

  return {
    write: (chunk) => {
      if (ended) return
      // Not before there is a body: an answer without one may name an encoding all the same.
      decoder ??= decoderFor(chunk)
      if (decoder === undefined) return keep(chunk)
      arrived += chunk.length
      if (arrived > maxBytes * maxEncodedTimes + firstBytes) failTooLarge()
      else if (!decoder.write(chunk)) outcome.pause()
    },
    end: () => {
      if (decoder === undefined) complete()
      else decoder.end()
    },
    destroy
  }
}

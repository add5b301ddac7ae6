/**
 * A response without an end, on a raw socket: it counts how often a marker occurs in what arrives, over the borders of
 * chunks, and looks at nothing else.
 */
import { received, socket } from "./Connection.ts"
import type { Target } from "./Dialect.ts"

export interface StreamReader {
  /** Looks for another marker, of ASCII only, from now on. */
  readonly watch: (marker: string) => void
  readonly close: () => void
}

/** Sends a request and calls `grew` with the number of markers in each chunk that has any. */
export const open = async (
  target: Target,
  request: Uint8Array,
  marker: string,
  grew: (count: number) => void
): Promise<StreamReader> => {
  let text = marker
  let wanted = Buffer.from(marker)
  let rest = ""
  let closing = false
  const take = (size: number) => {
    let count = 0
    const border = wanted.length - 1
    // A marker that straddles the border is in the last bytes before it and the first after it.
    if (rest !== "" && (rest + received.toString("latin1", 0, Math.min(border, size))).includes(text)) count++
    const chunk = received.subarray(0, size)
    for (let at = chunk.indexOf(wanted); at >= 0; at = chunk.indexOf(wanted, at + wanted.length)) count++
    rest = (size < border ? rest : "") + received.toString("latin1", Math.max(0, size - border), size)
    if (rest.length > border) rest = rest.slice(-border)
    if (count > 0) grew(count)
  }
  const opened = await socket(target, take)
  opened.on("close", () => {
    if (!closing) throw new Error(`the server closed a reader of ${JSON.stringify(marker)}`)
  })
  opened.write(request)
  return {
    watch: (next) => {
      text = next
      wanted = Buffer.from(next)
      rest = ""
    },
    close: () => {
      closing = true
      opened.destroy()
    }
  }
}

/** Opens a reader, waits until it has seen a marker, and then counts another. */
export const openAfter = async (
  target: Target,
  request: Uint8Array,
  awaited: string,
  marker: string,
  grew: (count: number) => void
): Promise<StreamReader> => {
  let ready = () => {}
  let caughtUp = false
  const seen = new Promise<void>((resolve) => {
    ready = resolve
  })
  const reader = await open(target, request, awaited, (count) => {
    if (caughtUp) return grew(count)
    caughtUp = true
    ready()
  })
  await seen
  reader.watch(marker)
  return reader
}

/** Reads until a marker has occurred `count` times, on a connection of its own. */
export const readUntil = (target: Target, request: Uint8Array, marker: string, count: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = count
    const opening = open(target, request, marker, (found) => {
      left -= found
      if (left <= 0) opening.then((reader) => {
        reader.close()
        resolve()
      }, reject)
    })
    opening.catch(reject)
  })

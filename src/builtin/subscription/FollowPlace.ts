/**
 * Places in commit order as text, and how an event's place is found: the log tells it only of what it reads in that
 * order. It is looked for from now backwards, twice as far each time, so that what is recent is found soon.
 */
import { Effect } from "effect"
import * as EventText from "../../domain/EventText.ts"
import type { JsonText } from "../../domain/EventText.ts"
import type { Unavailable } from "../../domain/StreamError.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import type { Cursor, EventStore } from "../../log/EventStore.ts"
import * as PrefixTail from "../../log/PrefixTail.ts"
import type { Place } from "./DeliveryCursor.ts"
import * as FollowLine from "./FollowLine.ts"

/** How far back the first look goes, in transactions. */
const firstLook = 64n
/** Pauses before what may not be read yet is looked for again, in milliseconds: an older transaction ends soon. */
const pendingMillis = 10
const maxPendingMillis = 1_000

export const encode = ({ position, tx }: Cursor): string => `${tx}/${position}`

/** A place that `encode` wrote; the beginning where it is another text. */
export const decode = (text: string): Cursor => {
  const [, tx, position] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  return tx === undefined || position === undefined
    ? PrefixTail.start
    : { tx: BigInt(tx), position: BigInt(position) }
}

/** Whether a place is behind another one of the same kind. */
export const isBehind = (a: Place, b: Place): boolean => {
  if (typeof a === "number" || typeof b === "number") return Number(a) > Number(b)
  const [left, right] = [decode(a), decode(b)]
  return left.tx > right.tx || (left.tx === right.tx && left.position > right.position)
}

const isAt = (line: JsonText, path: StreamPath, offset: number): boolean =>
  EventText.offsetOf(line) === offset && FollowLine.pathOf(line) === path

/** The last event of a stream up to an offset, as far as it has any. */
const lastUpTo = (store: EventStore["Service"], path: StreamPath, offset: number) =>
  Effect.gen(function*() {
    const exactly = yield* store.read(path, { after: offset - 1, before: offset + 1, limit: 1 })
    const at = Math.min(offset, exactly.head)
    const page = at === offset ? exactly : yield* store.read(path, { after: at - 1, before: at + 1, limit: 1 })
    return page.lines[0]
  })

/** The first place behind one at which there is what is asked for, in what can be read now. */
const search = (
  store: EventStore["Service"],
  prefix: StreamPath,
  after: Cursor,
  types: ReadonlyArray<string> | undefined,
  isMeant: (line: JsonText) => boolean
): Effect.Effect<{ readonly cursor: Cursor; readonly line: JsonText } | undefined, Unavailable> =>
  Effect.gen(function*() {
    for (let from = after;;) {
      const page = yield* store.readWithin(prefix, { after: from, types })
      const found = page.lines.find(({ line }) => isMeant(line))
      if (found !== undefined || !page.more) return found
      from = page.last
    }
  })

/** The place of a stream's event in commit order; of the last one before it where there is none at that offset. */
export const find = (
  store: EventStore["Service"],
  path: StreamPath,
  offset: number
): Effect.Effect<Cursor, Unavailable> =>
  Effect.gen(function*() {
    const line = offset <= 0 ? undefined : yield* lastUpTo(store, path, offset)
    if (line === undefined) return PrefixTail.start
    const at = EventText.offsetOf(line)
    const types = [String(JSON.parse(FollowLine.typeOf(line)))]
    const first = yield* store.readWithin(path, { after: PrefixTail.start, limit: 1 })
    let { horizon } = first
    for (let pause = pendingMillis;; pause = Math.min(2 * pause, maxPendingMillis)) {
      for (let back = firstLook;; back *= 2n) {
        const from = back < horizon ? PrefixTail.endOf(horizon - back) : PrefixTail.start
        const found = yield* search(store, path, from, types, (line) => isAt(line, path, at))
        if (found !== undefined) return found.cursor
        if (from === PrefixTail.start) break
      }
      // Everything that was there is readable by now: the stream was deleted, and nobody will go on from here.
      if (horizon >= first.newest) return PrefixTail.endOf(horizon)
      yield* Effect.sleep(pause)
      horizon = (yield* store.readWithin(path, { after: PrefixTail.start, limit: 1 })).horizon
    }
  })

/** The offset in a stream up to which its events are before a place in commit order. */
export const offsetAt = (
  store: EventStore["Service"],
  path: StreamPath,
  place: Cursor
): Effect.Effect<number, Unavailable> =>
  Effect.gen(function*() {
    // Read first: what comes later is behind the place, or is found.
    const { head } = yield* store.read(path, { after: 0, limit: 1 })
    const next = yield* search(store, path, place, undefined, (line) => FollowLine.pathOf(line) === path)
    return next === undefined ? head : EventText.offsetOf(next.line) - 1
  })

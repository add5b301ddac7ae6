/**
 * Judges what clients saw against the log as it was read afterwards: pure. Known limits: contents must be unique, so
 * that an event is found again without asking the server; streams that are deleted meanwhile are not understood.
 */

/** An event as the log holds it, or as a tail showed it. */
export interface Logged {
  readonly path: string
  readonly offset: number
  /** Digest of all that the client sent: type, payload, metadata and key. */
  readonly content: string
  /** The server wrote it by itself. */
  readonly own: boolean
}

/** One append as its client saw it, over all its attempts. Times are milliseconds of one monotonic clock. */
export interface Append {
  readonly path: string
  /** Before the first attempt was sent. */
  readonly invokedAt: number
  /** Of its events, in order. */
  readonly contents: ReadonlyArray<string>
  /** None: nobody knows whether it was recorded. */
  readonly ack?: { readonly at: number; readonly offsets: ReadonlyArray<number> } | undefined
}

/** What one reader saw, over all its connections, from the first event on. */
export interface Tail {
  readonly name: string
  readonly path: string
  /** All streams below belong to it too. */
  readonly within: boolean
  readonly seen: ReadonlyArray<Logged>
  /** It read until nothing was left, so the end must not be missing. */
  readonly complete: boolean
}

export interface Observed {
  readonly appends: ReadonlyArray<Append>
  readonly log: ReadonlyArray<Logged>
  readonly tails: ReadonlyArray<Tail>
}

export type Kind =
  /** An acknowledged event is not in the log. */
  | "lost"
  /** An acknowledged event is at another offset than its acknowledgement says. */
  | "moved"
  /** An event is in the log more than once. */
  | "twice"
  /** An event is in the log that nobody sent, or not on this stream. */
  | "invented"
  /** The offsets of a stream are not 1, 2, 3 and so on. */
  | "gap"
  /** A request was sent after another one was acknowledged, and has the lower offset. */
  | "order"
  /** The events of one request are not all there, in order and side by side. */
  | "split"
  /** A tail saw a gap, a duplicate, or something else than the log holds. */
  | "tail"

export interface Violation {
  readonly kind: Kind
  readonly path: string
  readonly detail: string
}

export interface Verdict {
  readonly violations: ReadonlyArray<Violation>
  /** Events that were acknowledged, that were recorded without an acknowledgement, and that tails saw. */
  readonly acknowledged: number
  readonly unacknowledged: number
  readonly tailed: number
}

interface Placed {
  readonly append: Append
  /** Least and greatest offset that its events have in the log. */
  readonly first: number
  readonly last: number
}

/** Takes time in the order of n log n. */
export const check = ({ appends, log, tails }: Observed): Verdict => {
  const violations: Array<Violation> = []
  const report = (kind: Kind, path: string, detail: string) => void violations.push({ kind, path, detail })
  const streams = Map.groupBy(log, ({ path }) => path)
  const offsets = Map.groupBy(log.filter(({ own }) => !own), placeOf)

  for (const [path, events] of streams) {
    const sorted = events.map(({ offset }) => offset).sort((a, b) => a - b)
    const at = sorted.findIndex((offset, i) => offset !== i + 1)
    if (at >= 0) report("gap", path, `offset ${sorted[at]} is where ${at + 1} should be`)
  }

  const sent = new Set<string>()
  const placed: Array<Placed> = []
  for (const append of appends) {
    const { ack, contents, path } = append
    const found: Array<number> = []
    for (const [i, content] of contents.entries()) {
      const place = placeOf({ path, content })
      sent.add(place)
      const at = offsets.get(place) ?? []
      const promised = ack?.offsets[i]
      if (at.length > 1) report("twice", path, `${content} is at ${at.map(({ offset }) => offset).join(", ")}`)
      if (ack !== undefined && at.length === 0) report("lost", path, `${content} was acknowledged at ${promised}`)
      const [first] = at
      if (first === undefined) continue
      found.push(first.offset)
      if (ack !== undefined && at.every(({ offset }) => offset !== promised)) {
        report("moved", path, `${content} was acknowledged at ${promised} and is at ${first.offset}`)
      }
    }
    const isWhole = found.length === contents.length && found.every((offset, i) => offset === (found[0] ?? 0) + i)
    if (found.length > 0 && !isWhole) {
      report("split", path, `a request of ${contents.length} events is at ${found.join(", ")}`)
    }
    if (found.length > 0) placed.push({ append, first: Math.min(...found), last: Math.max(...found) })
  }

  for (const [place, [event]] of offsets) {
    if (event !== undefined && !sent.has(place)) report("invented", event.path, `${event.content} at ${event.offset}`)
  }
  for (const [path, those] of Map.groupBy(placed, ({ append }) => append.path)) {
    for (const detail of inversions(those)) report("order", path, detail)
  }
  for (const tail of tails) {
    for (const detail of misread(tail, streams)) report("tail", tail.path, `${tail.name}: ${detail}`)
  }

  const acknowledged = appends.reduce((sum, { ack }) => sum + (ack?.offsets.length ?? 0), 0)
  const unacknowledged = placed.reduce((sum, { append }) => sum + (append.ack ? 0 : append.contents.length), 0)
  return { violations, acknowledged, unacknowledged, tailed: tails.reduce((sum, { seen }) => sum + seen.length, 0) }
}

const placeOf = ({ content, path }: { readonly path: string; readonly content: string }): string => `${path} ${content}`

/** Looks at each request beside the greatest offset that had been acknowledged when it was sent. */
const inversions = (placed: ReadonlyArray<Placed>): ReadonlyArray<string> => {
  const sent = [...placed].sort((a, b) => a.append.invokedAt - b.append.invokedAt)
  const acked = placed
    .flatMap(({ append: { ack }, last }) => ack === undefined ? [] : [{ at: ack.at, last }])
    .sort((a, b) => a.at - b.at)
  const found: Array<string> = []
  let greatest = 0
  let next = 0
  for (const { append: { invokedAt }, first } of sent) {
    for (let ack = acked[next]; ack !== undefined && ack.at < invokedAt; ack = acked[++next]) {
      greatest = Math.max(greatest, ack.last)
    }
    if (first < greatest) found.push(`offset ${first} was sent after ${greatest} had been acknowledged`)
  }
  return found
}

const misread = (tail: Tail, streams: ReadonlyMap<string, ReadonlyArray<Logged>>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const prefix = tail.path === "/" ? "/" : `${tail.path}/`
  const covers = (path: string) => path === tail.path || (tail.within && path.startsWith(prefix))
  const seen = Map.groupBy(tail.seen, ({ path }) => path)
  for (const [path, events] of seen) {
    if (!covers(path)) found.push(`saw ${path}`)
    const held = new Map((streams.get(path) ?? []).map(({ content, offset }) => [offset, content]))
    const at = events.findIndex(({ offset }, i) => offset !== i + 1)
    if (at >= 0) found.push(`saw offset ${events[at]?.offset} of ${path} where ${at + 1} should be`)
    const wrong = events.find(({ content, offset }) => held.get(offset) !== content)
    if (wrong !== undefined) {
      found.push(`saw ${wrong.content} at ${wrong.offset} of ${path}, where the log has ${held.get(wrong.offset)}`)
    }
  }
  if (!tail.complete) return found
  for (const [path, events] of streams) {
    const read = seen.get(path)?.length ?? 0
    if (covers(path) && read < events.length) found.push(`saw ${read} of ${events.length} events of ${path}`)
  }
  return found
}

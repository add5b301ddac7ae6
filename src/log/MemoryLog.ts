/** The log in memory, each call at once: streams with their heads and events, and the order across streams. */
import { Option, Result } from "effect"
import { maxChildren } from "../domain/Bounds.ts"
import type { Recorded } from "../domain/EventText.ts"
import type { AppendError } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import * as Admission from "./Admission.ts"
import type { Head } from "./CoreState.ts"
import { unwritten } from "./CoreState.ts"
import type { Arrived, Unverified } from "./Arrivals.ts"
import type { Child, ChildrenOptions } from "./Directory.ts"
import type {
  Appended,
  AppendRequest,
  Cursor,
  Page,
  PrefixPage,
  PrefixReadOptions,
  ReadOptions,
  Requested
} from "./EventStore.ts"
import { pageBytes, pageEvents } from "./EventStore.ts"
import type { Growth } from "./Growth.ts"
import * as Idempotency from "./Idempotency.ts"
import * as Together from "./Together.ts"

/** What a path holds since it was written first, or again after a delete. */
class Life {
  readonly events: Array<Recorded> = []
  /** Of each event, the transaction that recorded it. */
  readonly txs: Array<bigint> = []
  readonly keys = new Map<string, Recorded>()

  push(event: Recorded, tx: bigint): void {
    this.events.push(event)
    this.txs.push(tx)
    if (event.idempotencyKey !== undefined) this.keys.set(event.idempotencyKey, event)
  }
}

/** An event at its place in the whole log. */
interface Placed {
  readonly cursor: Cursor
  readonly event: Recorded
}

const noKeys: ReadonlyMap<string, Recorded> = new Map()

/** Behind all places of a transaction. */
const lastPosition = 2n ** 63n - 1n

export class MemoryLog {
  private readonly heads = new Map<StreamPath, Head>()
  private readonly lives = new Map<StreamPath, Life>()
  private order: Array<Placed> = []
  private commits = 0n
  private positions = 0n
  private ids = 0n
  private readonly growth: Growth["Service"]
  private readonly breaker: Limit | "off"

  constructor(growth: Growth["Service"], breaker: Limit | "off") {
    this.growth = growth
    this.breaker = breaker
  }

  get(path: StreamPath): Head {
    return this.heads.get(path) ?? unwritten
  }

  arrive(arrived: Arrived, now: number): Result.Result<Appended, AppendError | Unverified> {
    const unverified = Admission.judgeArrival(this.get(arrived.path), arrived.arrival)
    return unverified === undefined ? this.append(arrived, now) : Result.fail(unverified)
  }

  append(request: Requested, now: number): Result.Result<Appended, AppendError> {
    const verdict = Idempotency.judge(request.events, this.keys(request.path))
    if (verdict._tag === "Known") return Result.succeed({ lines: verdict.lines, known: true })
    if (verdict._tag === "Conflict") return Result.fail(verdict.error)
    return Result.map(Admission.admit(this, request, { now, breaker: this.breaker }), (admitted) => {
      this.write(admitted)
      return { lines: admitted.requested.map((event) => event.line), known: false }
    })
  }

  /** What appends lead to that are recorded together, still to be written. */
  decide(appends: ReadonlyArray<AppendRequest>, now: number): Result.Result<Together.Decided, AppendError> {
    return Together.decide(appends, this, (path) => this.keys(path), { now, breaker: this.breaker })
  }

  write(written: Admission.Written): void {
    this.commit(written)
    this.announce(written)
  }

  /** The end of the log in the order across streams. */
  get end(): Cursor {
    return { tx: this.commits, position: lastPosition }
  }

  /** The next events of the whole log, with the place of the last of them. */
  walk(after: Cursor, limit: number): { readonly events: ReadonlyArray<Recorded>; readonly last: Cursor } {
    const from = this.indexAfter(after)
    const placed = this.order.slice(from, from + limit)
    return { events: placed.map(({ event }) => event), last: placed.at(-1)?.cursor ?? after }
  }

  /** Offset before the first event of a stream's present life. */
  born(path: StreamPath): number {
    return this.get(path).offset - (this.lives.get(path)?.events.length ?? 0)
  }

  /** Offset of a stream's last event at or before a place between two transactions. */
  offsetAt(path: StreamPath, { tx }: Cursor): number {
    const before = this.lives.get(path)?.txs.findLastIndex((each) => each <= tx) ?? -1
    return this.born(path) + before + 1
  }

  read(path: StreamPath, options: ReadOptions): Page {
    const { after, before = Number.POSITIVE_INFINITY, types } = options
    const head = this.get(path)
    const events = this.lives.get(path)?.events
    if (events === undefined) return { lines: [], last: after, head: 0, life: undefined }
    const limit = Math.min(options.limit ?? pageEvents, pageEvents)
    const removed = head.offset - events.length
    const end = Math.min(head.offset, before - 1)
    const lines: Array<string> = []
    let characters = 0
    let last = Math.max(after, Math.min(removed, end))
    while (last < end && lines.length < limit && characters < pageBytes) {
      const event = events[last - removed]
      if (event !== undefined && (types === undefined || types.includes(event.type))) {
        lines.push(event.line)
        characters += event.line.length
      }
      last++
    }
    return { lines, last, head: head.offset, life: head.id }
  }

  readWithin(prefix: StreamPath, options: PrefixReadOptions): PrefixPage {
    const { after, types } = options
    const limit = Math.min(options.limit ?? pageEvents, pageEvents)
    const lines: Array<PrefixPage["lines"][number]> = []
    let characters = 0
    let last = after
    let next = this.indexAfter(after)
    for (; next < this.order.length && lines.length < limit && characters < pageBytes; next++) {
      const placed = this.order[next]
      if (placed === undefined) break
      const { cursor, event } = placed
      if (Path.isWithin(event.streamPath, prefix) && (types === undefined || types.includes(event.type))) {
        lines.push({ cursor, line: event.line })
        characters += event.line.length
      }
      last = cursor
    }
    // Commits here take no time, so everything is readable at once.
    const horizon = this.commits + 1n
    return { lines, last, more: next < this.order.length, horizon, newest: horizon }
  }

  remove(path: StreamPath, recursive: boolean, now: number): ReadonlyArray<StreamPath> {
    const paths = this.existing((each) => recursive ? Path.isWithin(each, path) : each === path)
    const told = new Map<StreamPath, Admission.Admitted>()
    // Parents come before their children: one that goes too is not told.
    for (const each of paths) {
      const admitted = Admission.remove(this, each, { now, breaker: this.breaker })
      this.commit(admitted)
      this.lives.delete(each)
      this.heads.set(each, { ...this.get(each), id: ++this.ids })
      told.set(each, admitted)
    }
    const removed = new Set(paths)
    this.order = this.order.filter(({ event }) => !removed.has(event.streamPath))
    for (const [each, admitted] of told) {
      this.growth.announce({ path: each, head: undefined, types: undefined, deleted: true })
      this.announce(admitted)
    }
    return paths
  }

  describe(path: StreamPath): Option.Option<Head> {
    return Option.fromUndefinedOr(this.heads.get(path))
  }

  children(path: StreamPath, options: ChildrenOptions): ReadonlyArray<Child> {
    const { after = "", limit, recursive } = options
    const counts = new Map<StreamPath, number>()
    const below = this.existing((each) => {
      const above = Path.parent(each)
      if (above === undefined) return false
      counts.set(above, (counts.get(above) ?? 0) + 1)
      return recursive ? Path.isWithin(above, path) : above === path
    })
    return below.filter((each) => each > after).slice(0, Math.min(limit, maxChildren)).map((each) => {
      const { createdAt, offset, updatedAt } = this.get(each)
      return { path: each, head: offset, createdAt, updatedAt, children: counts.get(each) ?? 0 }
    })
  }

  /** Streams that exist, in order of path. */
  private existing(isWanted: (path: StreamPath) => boolean): ReadonlyArray<StreamPath> {
    return [...this.heads.keys()].filter((path) => this.get(path).exists && isWanted(path)).sort()
  }

  private keys(path: StreamPath): ReadonlyMap<string, Recorded> {
    return this.lives.get(path)?.keys ?? noKeys
  }

  private commit({ events, heads }: Admission.Written): void {
    const tx = ++this.commits
    for (const event of events) {
      const life = this.lives.get(event.streamPath) ?? new Life()
      life.push(event, tx)
      this.lives.set(event.streamPath, life)
      this.order.push({ cursor: { tx, position: ++this.positions }, event })
    }
    for (const [path, head] of heads) this.heads.set(path, { ...head, id: head.id ?? ++this.ids })
  }

  private announce({ events, heads }: Admission.Written): void {
    for (const [path, head] of heads) {
      const types = new Set(events.flatMap((event) => event.streamPath === path ? event.type : []))
      if (types.size > 0) this.growth.announce({ path, head: head.offset, types, deleted: false })
    }
  }

  /** Index of the first event behind a place, by halving. */
  private indexAfter({ position, tx }: Cursor): number {
    let low = 0
    let high = this.order.length
    while (low < high) {
      const middle = (low + high) >> 1
      const at = this.order[middle]?.cursor
      if (at !== undefined && (at.tx < tx || (at.tx === tx && at.position <= position))) low = middle + 1
      else high = middle
    }
    return low
  }
}

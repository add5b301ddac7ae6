/** What processors have done, in memory, beside the log in memory; each call at once. */
import { Option, Result } from "effect"
import { propose } from "../domain/EventText.ts"
import type { AppendError, NotFound } from "../domain/StreamError.ts"
import { Fenced } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import * as AddedTypes from "./AddedTypes.ts"
import type {
  Change,
  Claimant,
  Instance,
  Lease,
  Registered,
  Registration,
  Snapshot,
  UnpreparedPage
} from "./Checkpoints.ts"
import { pageInstances } from "./Checkpoints.ts"
import type { Appended, Commit, Cursor } from "./EventStore.ts"
import * as FiberCursors from "./FiberCursors.ts"
import * as InstanceChange from "./InstanceChange.ts"
import type { Coverage, Row } from "./MemoryInstance.ts"
import { begun, isUndone, movedOf, write } from "./MemoryInstance.ts"
import type { MemoryLog } from "./MemoryLog.ts"
import { MemorySnapshots } from "./MemorySnapshots.ts"

/** Events that one move of a cursor passes. */
const advancedEvents = 2_000
/** Patterns of a processor that are remembered. */
const maxCoverage = 100

interface Known {
  registration: Registration
  /** What it has consumed, handled or noted at its instances. */
  cursor: Cursor
  /** Its patterns in their order: the last is the present one. */
  coverage: ReadonlyArray<Coverage>
  addedTypes: AddedTypes.Places
  readonly rows: Map<StreamPath, Row>
  readonly lives: Map<bigint, Row>
  readonly snapshots: MemorySnapshots
  epoch: bigint
  holder: { readonly owner: string; readonly until: number } | undefined
}

const beginning: Cursor = { tx: 0n, position: 0n }

export class MemoryCheckpoints {
  private readonly log: MemoryLog
  private readonly processors = new Map<string, Known>()

  constructor(log: MemoryLog) {
    this.log = log
  }

  register(registration: Registration): void {
    const { processor, startFrom, streams } = registration
    const known = this.processors.get(processor)
    const from = known === undefined && startFrom === "start" ? beginning : this.log.end
    const covered: Coverage = { streams, matches: StreamPattern.matcher(streams), from }
    if (known === undefined) {
      this.processors.set(processor, {
        registration,
        cursor: from,
        coverage: [covered],
        addedTypes: new Map(),
        rows: new Map(),
        lives: new Map(),
        snapshots: new MemorySnapshots(),
        epoch: 0n,
        holder: undefined
      })
    } else {
      // Another definition ends the lease: the cursor moves over what its owner consumes, and nobody else.
      if (definitionOf(known.registration) !== definitionOf(registration)) {
        known.epoch += 1n
        known.holder = undefined
      }
      known.addedTypes = AddedTypes.register(known.addedTypes, known.registration, registration, this.log.end)
      known.registration = { ...registration, startFrom: known.registration.startFrom }
      known.snapshots.register(registration.version)
      if (known.coverage.at(-1)?.streams !== streams) known.coverage = [...known.coverage, covered].slice(-maxCoverage)
    }
  }

  registered(now: number): ReadonlyArray<Registered> {
    return [...this.processors.values()]
      .map(({ holder, registration, snapshots }) => ({
        ...registration,
        owner: holder !== undefined && holder.until > now ? holder.owner : undefined,
        preparing: snapshots.preparing(now)
      }))
      .sort((a, b) => a.processor < b.processor ? -1 : 1)
  }

  claim(
    processor: string,
    owner: string,
    millis: number,
    now: number,
    { version }: Claimant = {}
  ): Lease | undefined {
    const known = this.processors.get(processor)
    if (known === undefined || (version ?? known.registration.version) !== known.registration.version) return undefined
    // Whoever acts comes by again and again.
    known.snapshots.sweep(known.registration.version, now)
    const { holder } = known
    if (holder !== undefined && holder.owner !== owner && holder.until > now) return undefined
    if (holder?.owner !== owner) known.epoch += 1n
    known.holder = { owner, until: now + millis }
    return { processor, epoch: known.epoch }
  }

  release(lease: Lease): void {
    const known = this.held(lease)
    if (Result.isSuccess(known)) known.success.holder = undefined
  }

  advance(lease: Lease): Result.Result<{ readonly paths: ReadonlyArray<StreamPath>; readonly more: boolean }, Fenced> {
    return Result.map(this.held(lease), (known) => {
      const { consumes } = known.registration
      const { events, last } = this.log.walk(known.cursor, advancedEvents)
      const paths = new Set<StreamPath>()
      for (const { offset, streamPath: path, type } of events) {
        if (!(consumes.includes("*") || consumes.includes(type))) continue
        const row = this.row(known, path)
        if (row === undefined) continue
        row.noted = Math.max(row.noted, offset)
        if (isUndone(row)) paths.add(path)
      }
      known.cursor = last
      return { paths: [...paths].sort(), more: events.length === advancedEvents }
    })
  }

  undone(processor: string, after: string): ReadonlyArray<StreamPath> {
    const known = this.processors.get(processor)
    const version = known?.registration.version
    return this.rowsAfter(processor, after)
      .filter(({ instance }) => known?.coverage.at(-1)?.matches(instance.path) === true)
      .filter((row) => isUndone(row) || row.instance.parked === undefined && row.instance.version !== version)
      .map(({ instance }) => instance.path)
      .slice(0, pageInstances)
  }

  open(lease: Lease, path: StreamPath): Result.Result<Option.Option<Instance>, Fenced> {
    return Result.map(this.held(lease), (known) => {
      const row = this.log.get(path).exists ? this.row(known, path) : undefined
      return row === undefined ? Option.none() : Option.some(this.shown(row, known))
    })
  }

  instances(processor: string, after: string, limit = pageInstances): ReadonlyArray<Instance> {
    const known = this.processors.get(processor)
    return this.rowsAfter(processor, after).slice(0, limit).map((row) => this.shown(row, known))
  }

  instancesOn(path: StreamPath): ReadonlyMap<string, Instance> {
    return new Map([...this.processors].flatMap(([name, known]) => {
      const row = known.rows.get(path)
      return row === undefined ? [] : [[name, this.shown(row, known)] as const]
    }))
  }

  snapshot(processor: string, version: number, life: bigint, offset: number): Snapshot | undefined {
    return this.processors.get(processor)?.snapshots.nearest(version, life, offset)
  }

  prepare(processor: string, version: number, left: number | undefined, now: number): void {
    const known = this.processors.get(processor)
    if (known !== undefined && known.registration.version !== version) known.snapshots.prepare(version, left, now)
  }

  unprepared(processor: string, version: number, after: string): UnpreparedPage {
    const page = this.instances(processor, after)
    return {
      instances: this.processors.get(processor)?.snapshots.unprepared(version, page) ?? [],
      after: page.length < pageInstances ? undefined : page.at(-1)?.path
    }
  }

  keep(processor: string, version: number, life: bigint, snapshot: Snapshot): boolean {
    const known = this.processors.get(processor)
    const row = known?.lives.get(life)
    if (known === undefined || row === undefined || row.instance.offset < snapshot.offset) return false
    if (known.registration.version === version) return false
    known.snapshots.keepPrepared(version, life, snapshot)
    return true
  }

  change(processor: string, path: StreamPath, change: Change, now: number): Result.Result<void, NotFound> {
    const known = this.processors.get(processor)
    const row = known?.rows.get(path)
    if (row === undefined) return Result.fail(InstanceChange.missing(processor, path))
    return Result.map(InstanceChange.apply(processor, this.shown(row, known), change), ({ event, instance }) => {
      const decided = Result.getOrThrow(this.log.decide([{ path, events: [propose(event)], byServer: true }], now))
      if (change._tag === "Refold") known?.snapshots.forget(row.instance.life)
      row.instance = instance
      this.log.write(decided)
    })
  }

  /** Records what a processor did, or says why not. */
  commit(
    { appends, checkpoint, cursors, lease }: Commit,
    now: number
  ): Result.Result<ReadonlyArray<Appended>, AppendError | Fenced> {
    const held = this.held(lease)
    if (Result.isFailure(held)) return Result.fail(held.failure)
    const life = checkpoint?.life ?? cursors?.life
    const row = life === undefined ? undefined : held.success.lives.get(life)
    const isMoved = row === undefined || checkpoint !== undefined && row.instance.revision !== checkpoint.revision
    if (life !== undefined && isMoved) {
      return Result.fail(new Fenced({ processor: lease.processor, lost: "instance" }))
    }
    const moved = row === undefined ? [] : movedOf(row, cursors?.values ?? [])
    if (moved.length > FiberCursors.maxCursors) {
      return Result.fail(FiberCursors.tooMany(lease.processor))
    }
    return Result.map(this.log.decide(appends, now), (decided) => {
      if (row !== undefined && checkpoint !== undefined) {
        const { keep, ...written } = checkpoint
        write(row, written)
        if (keep) held.success.snapshots.write(written)
      }
      if (row !== undefined) row.instance = { ...row.instance, cursors: moved }
      this.log.write(decided)
      return decided.appended
    })
  }

  /** Forgets what was done on streams that are deleted. */
  drop(paths: ReadonlyArray<StreamPath>): void {
    for (const { lives, rows, snapshots } of this.processors.values()) {
      for (const path of paths) {
        const row = rows.get(path)
        if (row !== undefined) {
          lives.delete(row.instance.life)
          snapshots.forget(row.instance.life)
        }
        rows.delete(path)
      }
    }
  }

  private held({ epoch, processor }: Lease): Result.Result<Known, Fenced> {
    const known = this.processors.get(processor)
    return known === undefined || known.epoch !== epoch
      ? Result.fail(new Fenced({ processor, lost: "lease" }))
      : Result.succeed(known)
  }

  /** The row of a stream, made where there is none; none where the pattern does not cover it. */
  private row({ coverage, lives, registration, rows }: Known, path: StreamPath): Row | undefined {
    // The first of those that have covered it without a gap up to now.
    const since = coverage[coverage.findLastIndex(({ matches }) => !matches(path)) + 1]
    if (since === undefined) return undefined
    const found = rows.get(path)
    if (found !== undefined) {
      if (found.coverage !== coverage.at(-1)) {
        const hooksAfter = Math.max(found.instance.hooksAfter, this.log.offsetAt(path, since.from))
        found.instance = { ...found.instance, hooksAfter }
        found.coverage = coverage.at(-1)
      }
      return found
    }
    const { id } = this.log.get(path)
    if (id === undefined) return undefined
    const born = this.log.born(path)
    const hooksAfter = this.log.offsetAt(path, since.from)
    const row = begun({ path, life: id, version: registration.version, offset: born, hooksAfter }, coverage.at(-1))
    rows.set(path, row)
    lives.set(id, row)
    return row
  }

  private rowsAfter(processor: string, after: string): ReadonlyArray<Row> {
    return [...this.processors.get(processor)?.rows ?? []]
      .filter(([path]) => path > after)
      .sort(([a], [b]) => a < b ? -1 : 1)
      .map(([, row]) => row)
  }

  private shown({ instance }: Row, known: Known | undefined): Instance {
    const { hooksAfter, offset, path } = instance
    const addedTypes = known === undefined ? [] : AddedTypes.behind(
      known.addedTypes,
      Math.max(hooksAfter, offset),
      (place) => this.log.offsetAt(path, place)
    )
    return { ...instance, head: this.log.get(path).offset, addedTypes }
  }
}

/** What a lease rests on. */
const definitionOf = ({ consumes, streams, version }: Registration): string => JSON.stringify([version, consumes, streams])

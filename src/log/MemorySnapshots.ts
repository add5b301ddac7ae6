/** States that were kept of one processor, in memory, and the versions of it that are being prepared. */
import type { Checkpoint, Instance, Preparing, Snapshot, Unprepared } from "./Checkpoints.ts"
import { keepEvery, maxPreparing, preparedSeconds, preparingSeconds } from "./Checkpoints.ts"

interface Kept {
  readonly version: number
  readonly snapshot: Snapshot
}

interface Preparation {
  /** None until they were counted. */
  readonly left: number | undefined
  /** When that was said last, in milliseconds. */
  readonly seen: number
}

export class MemorySnapshots {
  /** By the life of the stream. */
  private readonly kept = new Map<bigint, ReadonlyArray<Kept>>()
  private readonly preparations = new Map<number, Preparation>()
  /** Versions of which something is kept. */
  private readonly versions = new Set<number>()

  /** The last state at or before an offset. */
  nearest(version: number, life: bigint, offset: number): Snapshot | undefined {
    let last: Snapshot | undefined
    for (const { snapshot, version: of } of this.kept.get(life) ?? []) {
      if (of !== version || snapshot.offset > offset) continue
      if (last === undefined || snapshot.offset > last.offset) last = snapshot
    }
    return last
  }

  /** Those instances of which a version has no state as far as they are. */
  unprepared(
    version: number,
    instances: ReadonlyArray<Unprepared & Pick<Instance, "state" | "version">>
  ): ReadonlyArray<Unprepared> {
    return instances.filter(({ life, offset, state, version: written }) =>
      offset > 0 && (written !== version || state === undefined) &&
      this.nearest(version, life, offset)?.offset !== offset
    ).map(({ life, offset, path, skipped }) => ({ life, offset, path, skipped }))
  }

  /** Keeps the state of a checkpoint, where it has one. */
  write({ fibers, life, offset, state, version }: Omit<Checkpoint, "keep">): void {
    if (state !== undefined) this.keep(version, life, { offset, state, fibers })
  }

  /** Keeps a state; of those within so many events the last one counts. */
  keepPrepared(version: number, life: bigint, snapshot: Snapshot): void {
    const from = Math.floor(snapshot.offset / keepEvery) * keepEvery
    const others = this.kept.get(life)?.filter((each) =>
      each.version !== version || each.snapshot.offset < from || each.snapshot.offset >= snapshot.offset
    )
    if (others !== undefined) this.kept.set(life, others)
    this.keep(version, life, snapshot)
  }

  forget(life: bigint): void {
    this.kept.delete(life)
  }

  prepare(version: number, left: number | undefined, now: number): void {
    const known = this.preparations.get(version)
    // Put at the end: the first one is the one that was told of longest ago.
    this.preparations.delete(version)
    this.preparations.set(version, { left: left ?? known?.left, seen: now })
    const [oldest] = this.preparations.keys()
    if (this.preparations.size > maxPreparing && oldest !== undefined) this.preparations.delete(oldest)
  }

  /** A version that is registered is not prepared any more. */
  register(version: number): void {
    this.preparations.delete(version)
  }

  /** What is told of the versions that are being prepared. */
  preparing(now: number): ReadonlyArray<Preparing> {
    return [...this.preparations]
      .flatMap(([version, { left, seen }]) =>
        seen > now - preparingSeconds * 1_000 ? [left === undefined ? { version } : { version, left }] : []
      )
      .sort((a, b) => a.version - b.version)
  }

  /** Forgets the states of versions that are neither registered nor being prepared. */
  sweep(registered: number, now: number): void {
    for (const [version, { seen }] of this.preparations) {
      if (seen <= now - preparedSeconds * 1_000) this.preparations.delete(version)
    }
    const isStale = (version: number): boolean => version !== registered && !this.preparations.has(version)
    const stale = [...this.versions].filter(isStale)
    if (stale.length === 0) return
    for (const version of stale) this.versions.delete(version)
    for (const [life, all] of this.kept) this.kept.set(life, all.filter(({ version }) => !isStale(version)))
  }

  private keep(version: number, life: bigint, snapshot: Snapshot): void {
    const others = this.kept.get(life)?.filter((each) =>
      each.version !== version || each.snapshot.offset !== snapshot.offset
    )
    this.kept.set(life, [...others ?? [], { version, snapshot }])
    this.versions.add(version)
  }
}

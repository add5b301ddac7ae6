/**
 * What the commits of a group rest on, and what they write of their instances, as columns for `commit_at_heads` and
 * `commit_events`.
 */
import type { Parameter } from "@effect/sql-pg/PgTypes"
import type { JsonText } from "../domain/EventText.ts"
import { Fenced } from "../domain/StreamError.ts"
import type { Lease } from "./Checkpoints.ts"
import type { Commit } from "./EventStore.ts"
import * as FiberCursors from "./FiberCursors.ts"
import type { Fence, Fences } from "./Group.ts"
import { bigints, booleans, ints, texts } from "./PgArrays.ts"

/** Leases that must be held, each once, in the order in which they are locked everywhere. */
interface Held {
  readonly lease: Lease
  readonly commits: Array<Commit>
}

/** An instance that must exist; its revision counts where it is written. */
interface Asserted {
  readonly life: bigint
  readonly commit: Commit
}

interface Moved {
  readonly life: bigint
  readonly processor: string
  /** The JSON of kind and key: unlike these it holds nothing that Postgres refuses. */
  readonly name: JsonText
  readonly value: JsonText
}

/** Indexes, from one, of the rows that are not as they must be. */
export interface Refused {
  readonly lapsed: ReadonlyArray<number> | null
  readonly gone: ReadonlyArray<number> | null
  readonly changed: ReadonlyArray<number> | null
  readonly crowded: ReadonlyArray<number> | null
}

export interface GuardColumns {
  /** The last parameters of both, in their order. */
  readonly parameters: ReadonlyArray<Parameter | bigint | null>
  /** The commits that are fenced by what Postgres refused. */
  readonly fences: (refused: Refused) => Fences
}

export const arrange = (commits: ReadonlyArray<Commit>): GuardColumns => {
  const held = new Map<string, Held>()
  const written: Array<NonNullable<Commit["checkpoint"]> & Asserted> = []
  const asserted: Array<Asserted> = []
  const cursors = new Map<string, Moved>()
  for (const commit of commits) {
    const { checkpoint, cursors: moved, lease } = commit
    const { epoch, processor } = lease
    const known = held.get(`${processor} ${epoch}`)
    if (known === undefined) held.set(`${processor} ${epoch}`, { lease, commits: [commit] })
    else known.commits.push(commit)
    if (checkpoint !== undefined) written.push({ ...checkpoint, commit })
    if (moved === undefined) continue
    asserted.push({ life: moved.life, commit })
    // Of one cursor that moves twice in a group the last place counts.
    for (const { key, kind, value } of moved.values) {
      const name = JSON.stringify([kind, key])
      cursors.set(`${processor} ${moved.life} ${name}`, { life: moved.life, processor, name, value })
    }
  }
  const leases = [...held.values()].sort((a, b) => a.lease.processor < b.lease.processor ? -1 : 1)
  // Rows of instances are locked in the order of their streams, as where a cursor moves.
  written.sort(byLife)
  asserted.sort(byLife)
  const moved = [...cursors.values()].sort(byLife)
  return {
    parameters: [
      texts(leases.map(({ lease }) => lease.processor)),
      bigints(leases.map(({ lease }) => lease.epoch)),
      bigints(asserted.map(({ life }) => life)),
      texts(asserted.map(({ commit }) => commit.lease.processor)),
      bigints(written.map(({ life }) => life)),
      texts(written.map(({ commit }) => commit.lease.processor)),
      bigints(written.map(({ revision }) => BigInt(revision))),
      ints(written.map(({ version }) => version)),
      bigints(written.map(({ offset }) => BigInt(offset))),
      texts(written.map(({ state }) => state ?? null)),
      texts(written.map(({ fibers }) => fibers)),
      booleans(written.map(({ busy }) => busy)),
      bigints(written.map(({ parked }) => parked === undefined ? null : BigInt(parked.offset))),
      texts(written.map(({ parked }) => parked === undefined ? null : JSON.stringify(parked.error))),
      booleans(written.map(({ keep }) => keep)),
      bigints(moved.map(({ life }) => life)),
      texts(moved.map(({ processor }) => processor)),
      texts(moved.map(({ name }) => name)),
      texts(moved.map(({ value }) => value)),
      BigInt(FiberCursors.maxCursors)
    ],
    fences: ({ changed, crowded, gone, lapsed }) =>
      new Map<Commit, Fence>([
        ...(crowded ?? []).flatMap((index) => asserted[index - 1] ?? []).map(({ commit }) =>
          [commit, FiberCursors.tooMany(commit.lease.processor)] as const),
        ...(changed ?? []).flatMap((index) => written[index - 1] ?? []).map(({ commit }) => fence(commit, "instance")),
        ...(gone ?? []).flatMap((index) => asserted[index - 1] ?? []).map(({ commit }) => fence(commit, "instance")),
        // Who has lost the lease has lost all.
        ...(lapsed ?? []).flatMap((index) => leases[index - 1]?.commits ?? []).map((commit) => fence(commit, "lease"))
      ])
  }
}

const byLife = (a: { readonly life: bigint }, b: { readonly life: bigint }): number =>
  a.life < b.life ? -1 : a.life > b.life ? 1 : 0

const fence = (commit: Commit, lost: Fenced["lost"]): readonly [Commit, Fenced] => [
  commit,
  new Fenced({ processor: commit.lease.processor, lost })
]

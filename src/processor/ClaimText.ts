/** What owners elsewhere are told, in the wire form of `Claim`: states keep the text in which they were committed. */
import { Option } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import { isoTime } from "../domain/EventText.ts"
import { object } from "../domain/JsonText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Instance, Lease, Snapshot, UnpreparedPage } from "../log/Checkpoints.ts"
import type { Head } from "../log/CoreState.ts"
import type { Page } from "../log/EventStore.ts"
import type { Claim } from "./Claims.ts"
import type { Committed } from "./Commits.ts"
import { array } from "./InstanceText.ts"

/** An instance; its state is left out where it is none. */
export const instance = (
  { epoch }: Lease,
  { addedTypes, cursors, fibers, head, hooksAfter, life, offset, parked, path, revision, skipped, version, ...rest }: Instance,
  state = rest.state
): JsonText =>
  object({
    streamPath: JSON.stringify(path),
    epoch: String(epoch),
    offset: String(offset),
    state,
    head: String(head),
    hooksAfter: String(Math.max(hooksAfter, offset)),
    addedTypes: addedTypes.length === 0 ? undefined : JSON.stringify(addedTypes),
    skipped: skipped.length === 0 ? undefined : JSON.stringify(skipped),
    version: String(version),
    life: JSON.stringify(String(life)),
    revision: String(revision),
    fibers,
    cursors: cursors.length === 0 ? undefined : array(cursors, ({ key, kind, value }) =>
      object({ kind: JSON.stringify(kind), key: JSON.stringify(key), value })),
    parked: parked && JSON.stringify(parked)
  })

/** What a claim came to; `version` is the one that was claimed. */
export const claimed = ({ held, instances, more, owner }: Claim, version: number): JsonText =>
  object({
    owner: JSON.stringify(owner),
    epoch: held === undefined ? "null" : String(held.lease.epoch),
    until: held === undefined ? "null" : JSON.stringify(isoTime(held.until)),
    instances: held === undefined ? "[]" : array(instances, (each) =>
      instance(held.lease, each, (each.version === version ? each.state : undefined) ?? "null")),
    more: String(more)
  })

export const committed = (path: StreamPath | undefined, offset: number, { known, lines }: Committed): JsonText =>
  object({
    streamPath: path && JSON.stringify(path),
    offset: String(offset),
    known: String(known),
    events: `[${lines.join(",")}]`
  })

/** What a version has still to fold, and behind which stream to go on. */
export const unprepared = ({ after, instances }: UnpreparedPage): JsonText =>
  object({
    instances: array(instances, ({ life, offset, path, skipped }) =>
      object({
        streamPath: JSON.stringify(path),
        life: JSON.stringify(String(life)),
        offset: String(offset),
        skipped: skipped.length === 0 ? undefined : JSON.stringify(skipped)
      })),
    after: JSON.stringify(after ?? null)
  })

/** A state that was kept. */
export const snapshot = (kept: Option.Option<Snapshot>): JsonText =>
  object({
    snapshot: Option.match(kept, {
      onNone: () => "null",
      onSome: ({ fibers, offset, state }) => object({ offset: String(offset), state, fibers })
    })
  })

/** A part of a stream. */
export const page = ({ head, last, life, lines }: Page, { paused }: Head["core"]): JsonText =>
  object({
    last: String(last),
    head: String(head),
    life: life === undefined ? "null" : JSON.stringify(String(life)),
    paused: JSON.stringify(paused === null ? null : { ...paused, pausedAt: isoTime(paused.pausedAt) }),
    events: `[${lines.join(",")}]`
  })

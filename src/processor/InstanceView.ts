/** A processor at work on one stream, as it is told: what is written of it, and what is newer than that. */
import { Option } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import type { InstanceStatus } from "../domain/ProcessorState.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { FiberCursor, Instance as Stored, Parked } from "../log/Checkpoints.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { FiberView, Status } from "./Instance.ts"

/** A processor on a stream. */
export interface InstanceView {
  readonly processor: string
  readonly path: StreamPath
  readonly version: number
  /** Everything up to here is folded, or is not consumed; what hooks emitted may still be on its way. */
  readonly offset: number
  /** Events between here and the stream's last one; 0 where none of these is consumed. */
  readonly lag: number
  readonly status: InstanceStatus
  /** None until it is folded anew. */
  readonly state: JsonText | undefined
  readonly fibers: ReadonlyArray<FiberView>
  readonly cursors: ReadonlyArray<FiberCursor>
  readonly parked: Parked | undefined
}

/** An instance whose distance to the stream's last event is not known yet. */
export interface Unmeasured extends Omit<InstanceView, "lag" | "status"> {
  /** None where nobody runs it here. */
  readonly now: InstanceStatus | undefined
  /** The stream's last event. */
  readonly head: number
}

/** What is written of an instance, and what is newer than that where it is awake. */
export const newest = (
  processor: string,
  stored: Stored,
  status: Status | undefined,
  version: number | undefined
): Unmeasured => {
  const { cursors, head, path } = stored
  // A state that does not fit its schema can not be told, nor written: the instance is parked for it, or will be.
  const seen = Option.getOrUndefined(Option.liftThrowable(() => status?.view?.())())
  // While it is folded anew, the state that it had is the one that counts.
  const awake = seen !== undefined && (seen.offset >= stored.offset || stored.state === undefined) ? seen : undefined
  // A status lasts until the instance is opened again: what is written knows better who still waits for a person.
  const parked = awake === undefined || status?.now === "parked" ? stored.parked : undefined
  const isFolding = status?.now === "parked" || (status === undefined && stored.state === undefined)
  const now = parked !== undefined ? "parked" : isFolding ? "folding" : status?.now
  const told = awake === undefined
    ? { version: stored.version, offset: stored.offset, state: stored.state, fibers: written(stored) }
    : { version: version ?? stored.version, ...awake }
  return { processor, path, head, now, cursors, parked, ...told }
}

/** Fibers as they were written: what has not ended runs, or will. */
const written = ({ fibers }: Stored): ReadonlyArray<FiberView> =>
  [...FiberRecords.decode(fibers ?? "[]").values()].map((record) => ({
    ...record,
    status: record.ended === undefined ? "running" : record.ended._tag === "Done" ? "done" : "parked"
  }))

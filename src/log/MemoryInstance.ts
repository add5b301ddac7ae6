/** An instance in memory: what is known of it, and how it is written. */
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Checkpoint, Instance } from "./Checkpoints.ts"
import type { Cursor } from "./EventStore.ts"

/** An instance, and the last consumed event that the cursor has passed. */
export interface Row {
  instance: Omit<Instance, "head" | "addedTypes">
  noted: number
  /** The pattern by which its hooks were told to begin. */
  coverage: Coverage | undefined
}

/** A pattern, and from where on it counted, up to where the next one begins. */
export interface Coverage {
  readonly streams: string
  readonly matches: (path: StreamPath) => boolean
  readonly from: Cursor
}

/** One that has met nothing yet. */
export const begun = (
  at: Pick<Instance, "path" | "life" | "version" | "offset" | "hooksAfter">,
  coverage: Coverage | undefined
): Row => ({
  instance: {
    ...at,
    revision: 0,
    state: undefined,
    fibers: undefined,
    busy: false,
    parked: undefined,
    skipped: [],
    cursors: []
  },
  noted: at.offset,
  coverage
})

/** Whether it has something to do. */
export const isUndone = ({ instance, noted }: Row): boolean =>
  instance.parked === undefined && (noted > instance.offset || instance.busy || instance.state === undefined)

export const write = (row: Row, checkpoint: Omit<Checkpoint, "keep">): void => {
  const { hooksAfter, offset: before } = row.instance
  const { offset } = checkpoint
  row.instance = {
    ...row.instance,
    ...checkpoint,
    revision: checkpoint.revision + 1,
    // Where a state is folded anew, what hooks have done stays done.
    hooksAfter: offset < before ? Math.max(hooksAfter, before) : hooksAfter
  }
}

/** Its cursors once some have moved. */
export const movedOf = ({ instance }: Row, moved: Instance["cursors"]): Instance["cursors"] =>
  moved.length === 0 ? instance.cursors : [
    ...new Map([...instance.cursors, ...moved].map((each) => [JSON.stringify([each.kind, each.key]), each])).values()
  ]

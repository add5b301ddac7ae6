/** What is handed to the appender: a client's append, what arrived, or what a processor's owner commits together. */
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Arrived } from "./Arrivals.ts"
import type { AppendRequest, Commit } from "./EventStore.ts"

export type Submission = AppendRequest | Arrived | Commit

export const isCommit = (submission: Submission): submission is Commit => "lease" in submission

/** The streams that it appends to. */
export const pathsOf = (submission: Submission): ReadonlyArray<StreamPath> =>
  isCommit(submission) ? submission.appends.map(({ path }) => path) : [submission.path]

/** The instance that a commit writes, by a name that is no path; two commits of one follow each other. */
export const instanceOf = ({ checkpoint, lease }: Commit): string | undefined =>
  checkpoint === undefined ? undefined : nameOf(lease.processor, checkpoint.life)

/** The instance that must exist for a commit, by the same name. */
export const assertedOf = ({ cursors, lease }: Commit): string | undefined =>
  cursors === undefined ? undefined : nameOf(lease.processor, cursors.life)

export const nameOf = (processor: string, life: bigint): string => `${processor} ${life}`

/** Bound of what an event, and a commit itself, cost beside their text, in bytes. */
const besideText = 200

/** The lease that a commit rests on, by a name that is neither a path nor an instance's. */
export const leaseOf = ({ lease }: Commit): string => `${lease.processor} lease`

/** What it holds in memory while it waits, in bytes. */
export const sizeOf = (submission: Submission): number => {
  if (!isCommit(submission)) return sizeOfAppend(submission)
  const { appends, checkpoint, cursors } = submission
  let bytes = besideText + (checkpoint?.state?.length ?? 0) + (checkpoint?.fibers.length ?? 0)
  for (const append of appends) bytes += sizeOfAppend(append)
  for (const { key, kind, value } of cursors?.values ?? []) bytes += key.length + kind.length + value.length
  return bytes
}

const sizeOfAppend = ({ events }: AppendRequest | Arrived): number => {
  let bytes = 0
  for (const event of events) {
    bytes += event.payload.length + (event.metadata?.length ?? 0) + event.type.length + besideText
  }
  return bytes
}

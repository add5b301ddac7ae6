/** A group's plan as the columns that `append_at_heads` and `append_events` take. */
import type { Recorded } from "../domain/EventText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type * as CoreState from "./CoreState.ts"
import type * as Group from "./Group.ts"

export const arrange = (plan: Group.Plan): GroupColumns => {
  const group = empty()
  const index = new Map<StreamPath, number>()
  const looked = [...plan.looked].flatMap(([path, head]) => head.id === undefined ? [] : [{ path, head, id: head.id }])
  // Rows are locked in this order everywhere, so that two groups never wait for each other.
  looked.sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  for (const { head, id, path } of looked) {
    const after = plan.heads.get(path)
    const at = group.ids.push(id)
    index.set(path, at)
    group.heads.push(BigInt(head.offset))
    group.newHeads.push(after === undefined ? null : BigInt(after.offset))
    if (after !== undefined && after.core !== head.core) put(group.states, at - 1, encodeState(after.core))
    group.created.push((after ?? head).createdAt)
    group.updated.push((after ?? head).updatedAt)
  }
  const fresh = [...plan.looked].flatMap(([path, head]) => head.id === undefined ? [path] : []).sort()
  for (const path of fresh) {
    const after = plan.heads.get(path)
    if (after === undefined) {
      group.absent.push(path)
      continue
    }
    index.set(path, group.ids.length + group.paths.push(path))
    group.parents.push(Path.parent(path) ?? null)
    group.pathHeads.push(BigInt(after.offset))
    group.pathStates.push(encodeState(after.core))
    group.pathCreated.push(after.createdAt)
    group.pathUpdated.push(after.updatedAt)
  }
  for (const event of plan.events) arrangeEvent(group, event, index.get(event.streamPath) ?? 0)
  for (const [path, keys] of plan.asked) {
    const id = plan.looked.get(path)?.id
    if (id === undefined) continue
    for (const key of keys) {
      group.askedIds.push(id)
      group.askedKeys.push(key)
    }
  }
  return group
}

const arrangeEvent = (group: GroupColumns, event: Recorded, stream: number): void => {
  const at = group.streams.push(stream) - 1
  group.offsets.push(BigInt(event.offset))
  group.types.push(event.type)
  group.payloads.push(event.payload)
  group.times.push(event.createdAt)
  // Columns that are null throughout stay empty: unnest fills them up.
  if (event.metadata !== undefined) put(group.metadata, at, event.metadata)
  if (event.idempotencyKey !== undefined) put(group.keys, at, event.idempotencyKey)
  if (event.cause !== undefined) {
    put(group.causePaths, at, event.cause.streamPath)
    put(group.causeOffsets, at, BigInt(event.cause.offset))
    put(group.causeHops, at, event.cause.hops)
    if (event.cause.processor !== undefined) put(group.causeProcessors, at, event.cause.processor)
  }
}

const put = <A>(column: Array<A | null>, at: number, value: A): void => {
  while (column.length < at) column.push(null)
  column[at] = value
}

// A core state is plain JSON already; a schema's encoder would cost more than the rest of the group.
const encodeState = (state: CoreState.CoreState): string => JSON.stringify(state)

export interface GroupColumns {
  readonly ids: Array<bigint>
  readonly heads: Array<bigint>
  readonly newHeads: Array<bigint | null>
  readonly states: Array<string | null>
  readonly created: Array<number>
  readonly updated: Array<number>
  readonly absent: Array<StreamPath>
  readonly paths: Array<StreamPath>
  readonly parents: Array<StreamPath | null>
  readonly pathHeads: Array<bigint>
  readonly pathStates: Array<string>
  readonly pathCreated: Array<number>
  readonly pathUpdated: Array<number>
  readonly streams: Array<number>
  readonly offsets: Array<bigint>
  readonly types: Array<string>
  readonly payloads: Array<string>
  readonly metadata: Array<string | null>
  readonly keys: Array<string | null>
  readonly causePaths: Array<string | null>
  readonly causeOffsets: Array<bigint | null>
  readonly causeProcessors: Array<string | null>
  readonly causeHops: Array<number | null>
  readonly times: Array<number>
  readonly askedIds: Array<bigint>
  readonly askedKeys: Array<string>
}

const empty = (): GroupColumns => ({
  ids: [],
  heads: [],
  newHeads: [],
  states: [],
  created: [],
  updated: [],
  absent: [],
  paths: [],
  parents: [],
  pathHeads: [],
  pathStates: [],
  pathCreated: [],
  pathUpdated: [],
  streams: [],
  offsets: [],
  types: [],
  payloads: [],
  metadata: [],
  keys: [],
  causePaths: [],
  causeOffsets: [],
  causeProcessors: [],
  causeHops: [],
  times: [],
  askedIds: [],
  askedKeys: []
})

/** What is told of instances, in the wire form of `ProcessorState`: states keep the text in which they were written. */
import type { JsonText } from "../domain/EventText.ts"
import { object } from "../domain/JsonText.ts"
import type { InstanceSummary } from "../domain/ProcessorState.ts"
import { Offset } from "../domain/Event.ts"
import type { FiberView } from "./Instance.ts"
import type { InstanceView } from "./InstanceView.ts"
import type { Past } from "./TimeTravel.ts"

export const array = <A>(all: ReadonlyArray<A>, encode: (one: A) => JsonText): JsonText =>
  `[${all.map(encode).join(",")}]`

/** Values by their names, as one object. */
export const record = <A>(all: ReadonlyMap<string, A>, encode: (one: A) => JsonText): JsonText =>
  `{${[...all].map(([name, one]) => `${JSON.stringify(name)}:${encode(one)}`).join(",")}}`

const fiber = ({ ended, input, key, kind, since, status }: FiberView): JsonText =>
  object({
    kind: JSON.stringify(kind),
    key: JSON.stringify(key),
    input,
    since: String(since),
    status: JSON.stringify(status),
    error: ended?._tag === "Parked" ? JSON.stringify(ended.error) : undefined
  })

/** An instance on its stream. */
export const instance = ({ cursors, fibers, lag, offset, parked, state, status, version }: InstanceView): JsonText =>
  object({
    version: String(version),
    offset: String(offset),
    lag: String(lag),
    status: JSON.stringify(status),
    parked: parked && JSON.stringify(parked),
    state,
    fibers: array(fibers, fiber),
    cursors: array(cursors, ({ key, kind, value }) =>
      object({ kind: JSON.stringify(kind), key: JSON.stringify(key), value }))
  })

/** An instance in a list. */
export const summary = ({ fibers, lag, offset, parked, path, status, version }: InstanceView): InstanceSummary => {
  const count = { running: 0, done: 0, retrying: 0, parked: 0 }
  for (const { status } of fibers) count[status] += 1
  return {
    streamPath: path,
    version,
    offset: Offset.make(offset),
    lag,
    status,
    ...(parked === undefined ? undefined : { parked: { ...parked, offset: Offset.make(parked.offset) } }),
    fibers: count
  }
}

/** An instance as of an offset. */
export const past = (version: number, { asked, offset, state, stopped }: Past): JsonText =>
  object({
    version: String(version),
    offset: String(offset),
    state,
    fibers: array(asked, ({ input, key, kind }) =>
      object({ kind: JSON.stringify(kind), key: JSON.stringify(key), input })),
    stopped: stopped && JSON.stringify(stopped)
  })

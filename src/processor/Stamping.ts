/** What a processor elsewhere emits, judged and with the causes that it names, looked up in the log. */
import { Effect, Option, Schema } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import { Offset } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import { Fenced, InvalidRequest } from "../domain/StreamError.ts"
import type { InvalidEvent, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Lease, Parked } from "../log/Checkpoints.ts"
import type { AppendRequest, EventStore } from "../log/EventStore.ts"
import * as Emission from "./Emission.ts"

/** Events that are looked up at a time. */
const lookedUpAtOnce = 4

/** An event to record. */
export interface Emit {
  readonly event: EventText.Proposed
  /** None: the stream that the processor is at work on. */
  readonly path: StreamPath | undefined
  /** The event that it answers; none: the one at the commit's offset. */
  readonly cause: number | undefined
}

export interface Emitting {
  readonly lease: Lease
  readonly path: StreamPath | undefined
  readonly offset: number
  readonly emits: ReadonlyArray<Emit>
  readonly parked: Parked | undefined
}

/** Makes appends of what is emitted on a stream in the life that is given. */
export const make = (store: EventStore["Service"], maxHops: number) => {
  /** How many crossings between streams led to an event. */
  const hopsTo = Effect.fnUntraced(function*(
    processor: string,
    path: StreamPath,
    offset: number,
    life: bigint | undefined
  ): Effect.fn.Return<number, InvalidRequest | Fenced | Unavailable> {
    const page = yield* store.read(path, { after: offset - 1, before: offset + 1 })
    if (life !== undefined && page.life !== life) return yield* new Fenced({ processor, lost: "instance" })
    const [line] = page.lines
    return line === undefined ? yield* nothingAt(path, offset) : EventText.decode(line).cause?.hops ?? 0
  })

  return Effect.fnUntraced(function*(
    { emits, lease: { processor }, offset, parked, path }: Emitting,
    life: bigint | undefined
  ): Effect.fn.Return<ReadonlyArray<AppendRequest>, InvalidEvent | InvalidRequest | Fenced | Unavailable> {
    if (emits.length === 0 && parked === undefined) return []
    if (path === undefined) return yield* missing("streamPath")
    const causes = [...new Set(emits.map(({ cause = offset }) => cause))]
    const hops = new Map(
      yield* Effect.forEach(
        causes,
        (cause) => Effect.map(hopsTo(processor, path, cause, life), (hops) => [cause, hops] as const),
        { concurrency: lookedUpAtOnce }
      )
    )
    const appends: Array<AppendRequest> = []
    let isParkedTold = false
    for (const [index, emit] of emits.entries()) {
      const { cause = offset, event } = emit
      const target: StreamPath = emit.path ?? path
      const origin: Emission.Origin = { processor, path, offset: cause, hops: hops.get(cause) ?? 0 }
      const isNotice = target === path && isOwn(event, processor)
      const wrong = isNotice ? undefined : Control.judge(event)
      if (wrong !== undefined) return yield* wrong.at(index)
      isParkedTold ||= isNotice && event.type === Control.ProcessorParked.type
      const append = Emission.stamp(origin, event, target, maxHops)
      appends.push(isNotice ? { ...append, byServer: true } : append)
    }
    if (parked === undefined || isParkedTold) return appends
    const told = Control.ProcessorParked.make({
      name: processor,
      offset: Offset.make(parked.offset),
      error: parked.error
    })
    return [...appends, Emission.notice({ processor, path, offset: parked.offset, hops: 0 }, told)]
  })
}

const decodeParked = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.toCodecJson(Control.ProcessorParked.payload))
)
const decodeError = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ source: Schema.Literal("processor"), processor: Schema.String }))
)

/** Whether it tells of this very processor, as the server would itself: then a paused stream takes it too. */
const isOwn = ({ payload, type }: EventText.Proposed, processor: string): boolean =>
  type === Control.ProcessorParked.type
    ? Option.exists(decodeParked(payload), ({ name }) => name === processor)
    : type === Control.ErrorOccurred.type && Option.exists(decodeError(payload), (told) => told.processor === processor)

/** A commit answers an event that is not there. */
export const nothingAt = (path: StreamPath, offset: number) =>
  Effect.fail(new InvalidRequest({ reason: `${path} has no event at offset ${offset}` }))

/** A field that this commit needs. */
export const missing = (field: string) => Effect.fail(new InvalidRequest({ reason: `\`${field}\` is missing` }))

/** What a processor elsewhere emits, judged and with the causes that it names, looked up in the log. */
import { Effect, Option, Schema } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import { judge } from "../domain/Judgement.ts"
import * as EventText from "../domain/EventText.ts"
import { Fenced, InvalidRequest } from "../domain/StreamError.ts"
import type { InvalidEvent, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Lease, Parked } from "../log/Checkpoints.ts"
import type { AppendRequest, EventStore } from "../log/EventStore.ts"
import * as Emission from "./Emission.ts"

/** Causes so near to each other are looked up in one page: what is between them costs less than another query. */
const nearBy = 64

/** An event to record. */
export interface Emit {
  readonly event: EventText.Proposed
  /** None: the stream that the processor is at work on. */
  readonly path: StreamPath | undefined
  /** The event that it answers; none: the one at the commit's offset. */
  readonly cause: number | undefined
}

export interface Emitting {
  /** Whether an event of this type is still to be answered; left out, each is. */
  readonly isNew?: (cause: number, type: string) => boolean
  readonly lease: Lease
  readonly path: StreamPath | undefined
  readonly offset: number
  readonly emits: ReadonlyArray<Emit>
  readonly parked: Parked | undefined
  /** Whether the instance stays where it is. */
  readonly aside: boolean
  /** None: the owner has no fibers. */
  readonly fibers: EventText.JsonText | undefined
}

/** What is known of an event that is answered. */
interface Answered {
  readonly type: string
  /** How many crossings between streams led to it. */
  readonly hops: number
}

/** Makes appends of what is emitted on a stream in the life that is given. */
export const make = (store: EventStore["Service"], maxHops: number) => {
  /** Looks events up: those that are near to each other in one page. */
  const lookUp = Effect.fnUntraced(function*(
    processor: string,
    path: StreamPath,
    offsets: ReadonlyArray<number>,
    life: bigint | undefined
  ): Effect.fn.Return<ReadonlyMap<number, Answered>, InvalidRequest | Fenced | Unavailable> {
    const wanted = new Set(offsets.toSorted((a, b) => a - b))
    const found = new Map<number, Answered>()
    while (wanted.size > 0) {
      const [first = 0, ...others] = wanted
      const last = others.reduce((last, offset) => offset - last > nearBy ? last : offset, first)
      const page = yield* store.read(path, { after: first - 1, before: last + 1 })
      if (life !== undefined && page.life !== life) return yield* new Fenced({ processor, lost: "instance" })
      for (const line of page.lines) {
        if (!wanted.delete(EventText.offsetOf(line))) continue
        const { cause, offset, type } = EventText.decode(line)
        found.set(offset, { type, hops: cause?.hops ?? 0 })
      }
      if (wanted.has(first)) return yield* nothingAt(path, first)
    }
    return found
  })

  return Effect.fnUntraced(function*(
    emitting: Emitting,
    life: bigint | undefined
  ): Effect.fn.Return<ReadonlyArray<AppendRequest>, InvalidEvent | InvalidRequest | Fenced | Unavailable> {
    const { emits, isNew = () => true, lease: { processor }, offset, parked, path } = emitting
    if (emits.length === 0 && parked === undefined) return []
    if (path === undefined) return yield* missing("streamPath")
    const causes = emits.map(({ cause = offset }) => cause)
    const answered = yield* lookUp(processor, path, parked === undefined ? causes : [...causes, parked.offset], life)
    const hopsTo = (cause: number): number => answered.get(cause)?.hops ?? 0
    const told = new Set<string>()
    const appends: Array<AppendRequest> = []
    for (const [index, emit] of emits.entries()) {
      const { cause = offset, event } = emit
      if (!isNew(cause, answered.get(cause)?.type ?? "")) continue
      const target: StreamPath = emit.path ?? path
      const origin: Emission.Origin = { processor, path, offset: cause, hops: hopsTo(cause) }
      const about = target === path ? noticed(emitting, event, cause, answered.get(cause)?.type) : undefined
      // Once: more of the same is counted, as what anyone sends.
      const isNotice = about !== undefined && !told.has(about)
      const wrong = isNotice ? undefined : judge(event)
      if (wrong !== undefined) return yield* wrong.at(index)
      if (isNotice) told.add(about)
      const append = Emission.stamp(origin, event, target, maxHops)
      if (append !== undefined) appends.push(isNotice ? { ...append, byServer: true } : append)
    }
    if (parked === undefined || told.has(instanceParked)) return appends
    const origin: Emission.Origin = { processor, path, offset: parked.offset, hops: hopsTo(parked.offset) }
    return [...appends, Emission.parked(origin, { error: parked.error })]
  })
}

const decodeParked = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.toCodecJson(Control.ProcessorParked.payload))
)
const decodeError = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({
    message: Schema.String,
    source: Schema.Literal("processor"),
    processor: Schema.String
  }))
)

/** What is told where an instance is parked. */
const instanceParked = "instance"

/**
 * What an event tells of, where the server itself would tell the same: that the commit parks this instance or a fiber
 * of it, or what went wrong at an event. Such an event is not counted, and a paused stream takes it; so none is one
 * that answers another of its kind, else both would go on without end.
 */
const noticed = (
  { aside, fibers, lease: { processor }, parked }: Emitting,
  { payload, type }: EventText.Proposed,
  cause: number,
  answered: string | undefined
): string | undefined => {
  if (type === Control.ProcessorParked.type) {
    const { key, kind, name, offset } = Option.getOrUndefined(decodeParked(payload)) ?? {}
    if (name !== processor) return undefined
    if (kind === undefined && key === undefined) return parked?.offset === offset ? instanceParked : undefined
    return fibers === undefined ? undefined : JSON.stringify([kind, key, cause])
  }
  if (type !== Control.ErrorOccurred.type || aside || answered === Control.ErrorOccurred.type) return undefined
  return Option.exists(decodeError(payload), (told) => told.processor === processor) ? String(cause) : undefined
}

/** A commit answers an event that is not there. */
export const nothingAt = (path: StreamPath, offset: number) =>
  Effect.fail(new InvalidRequest({ reason: `${path} has no event at offset ${offset}` }))

/** A field that this commit needs. */
export const missing = (field: string) => Effect.fail(new InvalidRequest({ reason: `\`${field}\` is missing` }))

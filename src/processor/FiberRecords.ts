/**
 * What a state asks for, since which event, and how each fiber ended: kept in the checkpoint, so that a restart
 * knows what is done. Pure: the same events give the same records.
 */
import { Schema } from "effect"
import type { Event } from "../domain/Event.ts"
import type { JsonText } from "../domain/EventText.ts"
import type { Asked } from "./Folding.ts"

export const FiberRecord = Schema.Struct({
  kind: Schema.String,
  key: Schema.String,
  input: Schema.String,
  /** The event at which the state first asked, and the crossings between streams that led to it. */
  since: Schema.Int,
  hops: Schema.Int,
  /** None while it should run. */
  ended: Schema.optionalKey(Schema.Union([
    Schema.TaggedStruct("Done", {}),
    Schema.TaggedStruct("Parked", { error: Schema.String })
  ]))
})
export type FiberRecord = typeof FiberRecord.Type

/** By the name that joins kind and key. */
export type FiberRecords = ReadonlyMap<string, FiberRecord>

export const none: FiberRecords = new Map()

const Stored = Schema.fromJsonString(Schema.Array(Schema.Tuple([Schema.String, FiberRecord])))
const decodeStored = Schema.decodeSync(Stored)

export const encode = (records: FiberRecords): JsonText => records.size === 0 ? "[]" : JSON.stringify([...records])
export const decode = (text: JsonText): FiberRecords => text === "[]" ? none : new Map(decodeStored(text))

/** The records after an event: what is asked for with the same input as before stays what it was. */
export const follow = (
  records: FiberRecords,
  asked: ReadonlyMap<string, Asked>,
  at: Pick<Event, "offset" | "cause">
): FiberRecords => {
  const isSame = asked.size === records.size &&
    [...asked].every(([name, { input }]) => records.get(name)?.input === input)
  if (isSame) return records
  return new Map([...asked].map(([name, { input, key, kind }]) => {
    const known = records.get(name)
    return [
      name,
      known?.input === input ? known : { kind, key, input, since: at.offset, hops: at.cause?.hops ?? 0 }
    ]
  }))
}

/** The same, where the state was folded anew: what had ended with the same input stays ended. */
export const keepEnded = (records: FiberRecords, before: FiberRecords): FiberRecords =>
  new Map([...records].map(([name, record]) => {
    const ended = before.get(name)?.input === record.input ? before.get(name)?.ended : undefined
    return [name, ended === undefined ? record : { ...record, ended }]
  }))

/** The same, as if none had ended: what a state that was kept asks for. */
export const running = (records: FiberRecords): FiberRecords =>
  new Map([...records].map(([name, { hops, input, key, kind, since }]) => [name, { kind, key, input, since, hops }]))

/** The same, where a fiber with this input has ended. */
export const end = (
  records: FiberRecords,
  name: string,
  input: JsonText,
  ended: NonNullable<FiberRecord["ended"]>
): FiberRecords => {
  const record = records.get(name)
  return record?.input === input ? new Map(records).set(name, { ...record, ended }) : records
}

/** Whether any should run. */
export const isBusy = (records: FiberRecords): boolean => {
  for (const record of records.values()) if (record.ended === undefined) return true
  return false
}

/** A running fiber's input. */
export interface Running {
  readonly input: JsonText
}

/** What to start and what to interrupt, so that exactly what the state asks for runs. */
export const compare = (
  records: FiberRecords,
  asked: ReadonlyMap<string, Asked>,
  running: ReadonlyMap<string, Running>,
  isPaused: boolean
): { readonly start: ReadonlyArray<string>; readonly interrupt: ReadonlyArray<string> } => {
  const isWanted = (name: string): boolean => {
    const record = records.get(name)
    return record !== undefined && record.ended === undefined && (!isPaused || asked.get(name)?.whilePaused === true)
  }
  const interrupt = new Set<string>()
  for (const [name, { input }] of running) {
    if (!isWanted(name) || records.get(name)?.input !== input) interrupt.add(name)
  }
  return {
    start: [...records.keys()].filter((name) => isWanted(name) && (!running.has(name) || interrupt.has(name))),
    interrupt: [...interrupt]
  }
}

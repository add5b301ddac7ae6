/**
 * The fibers that an instance's state asks for: what it asks since when, what runs, and how each ended. A fiber that
 * ends while a hook is under way has ended for the state before that hook's event too, which is what is written.
 */
import { Cause, Effect, Exit } from "effect"
import type { Event } from "../domain/Event.ts"
import type { JsonText } from "../domain/EventText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { AppendRequest } from "../log/EventStore.ts"
import * as Emission from "./Emission.ts"
import { describe } from "./ErrorText.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { Folding } from "./Folding.ts"
import type { Beginning, FiberView } from "./Instance.ts"
import type { Any } from "./Processor.ts"
import type { RunningFibers } from "./RunningFibers.ts"

export interface Options {
  readonly processor: Any
  readonly path: StreamPath
  readonly folding: Folding
  readonly begin: Beginning
}

/** How a fiber ended: what that makes of records, and what is to be said of it. */
export interface End {
  readonly apply: (records: FiberRecords.FiberRecords) => FiberRecords.FiberRecords
  readonly appends: ReadonlyArray<AppendRequest>
}

export class AskedFibers {
  /** What the state asks for as it is folded now. */
  records: FiberRecords.FiberRecords
  private readonly options: Options
  private readonly hasKinds: boolean
  /** How fibers had ended before the state was folded anew. */
  private endedBefore: FiberRecords.FiberRecords | undefined

  constructor(options: Options) {
    const { begin, processor } = options
    this.options = options
    this.hasKinds = processor.kinds.length > 0
    this.records = begin.fibers
    this.endedBefore = begin.before
  }

  /** Whether any should run. */
  get isBusy(): boolean {
    return FiberRecords.isBusy(this.records)
  }

  /** Takes note of what the state asks for behind an event. Throws where the definition does. */
  follow(event: Event): void {
    if (this.hasKinds) this.records = FiberRecords.follow(this.records, this.options.folding.asked(), event)
  }

  /** Once the state is folded anew as far as it was, what had ended there stays ended. Whether that was so now. */
  keepEnded(): boolean {
    if (this.endedBefore === undefined) return false
    this.records = FiberRecords.keepEnded(this.records, this.endedBefore)
    this.endedBefore = undefined
    return true
  }

  /** Starts and interrupts fibers, so that exactly what the state asks for runs. */
  compare(fibers: RunningFibers, isPaused: boolean): Effect.Effect<void> {
    if (!this.hasKinds) return Effect.void
    const asked = this.options.folding.asked()
    const { interrupt, start } = FiberRecords.compare(this.records, asked, fibers.running, isPaused)
    return Effect.andThen(
      Effect.forEach(interrupt, (name) => fibers.interrupt(name), { discard: true }),
      Effect.forEach(start, (name) => {
        const work = asked.get(name)
        const record = this.records.get(name)
        return work === undefined || record === undefined ? Effect.void : fibers.start(name, work, record)
      }, { discard: true })
    )
  }

  /** Takes note of a fiber that ended; `standing` is what is to be written. None where nobody asks for it any more. */
  end(
    name: string,
    input: JsonText,
    exit: Exit.Exit<unknown, unknown>,
    standing: FiberRecords.FiberRecords
  ): End | undefined {
    // The state may ask for another input by now: what ended was not that.
    const record = [this.records, standing].map((each) => each.get(name)).find((each) => each?.input === input)
    if (record === undefined) return undefined
    const error = Exit.isSuccess(exit) ? undefined : describe(Cause.squash(exit.cause))
    const ended = error === undefined ? { _tag: "Done" as const } : { _tag: "Parked" as const, error }
    const apply = (records: FiberRecords.FiberRecords) => FiberRecords.end(records, name, input, ended)
    this.records = apply(this.records)
    return { apply, appends: error === undefined ? [] : [this.parked(record, error)] }
  }

  private parked({ hops, key, kind, since }: FiberRecords.FiberRecord, error: string): AppendRequest {
    const { path, processor } = this.options
    return Emission.parked({ processor: processor.name, path, offset: since, hops }, { kind, key, error })
  }
}

/** How each of them fares. */
export const view = (records: FiberRecords.FiberRecords, { running }: RunningFibers): ReadonlyArray<FiberView> =>
  [...records].map(([name, record]) => ({
    ...record,
    status: record.ended === undefined
      ? running.get(name)?.isRetrying === true ? "retrying" : "running"
      : record.ended._tag === "Done"
      ? "done"
      : "parked"
  }))

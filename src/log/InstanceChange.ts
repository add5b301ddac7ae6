/** What a person's word does to an instance: pure, so that every store answers alike. */
import { Option, Result } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import { Offset } from "../domain/Event.ts"
import type { Made } from "../domain/EventType.ts"
import { NotFound } from "../domain/StreamError.ts"
import type { Change, Instance } from "./Checkpoints.ts"
import * as StoredFibers from "./StoredFibers.ts"

export interface Changed {
  readonly instance: Instance
  /** Tells of it on the stream. */
  readonly event: Made<string>
}

export const apply = (name: string, before: Instance, change: Change): Result.Result<Changed, NotFound> => {
  const { parked, path, version } = before
  const instance = { ...before, revision: before.revision + 1 }
  if (change._tag === "Refold") {
    return Result.succeed({
      instance: { ...instance, parked: undefined, state: undefined },
      event: Control.ProcessorRefolded.make({ name, offset: Offset.make(before.offset), version })
    })
  }
  if (change._tag === "ResumeFiber") {
    const { key, kind } = change
    const resumed = StoredFibers.resume(before.fibers ?? "[]", kind, key)
    if (Option.isNone(resumed)) {
      const fiber = `${kind} ${JSON.stringify(key)}`
      return Result.fail(new NotFound({ reason: `No fiber ${fiber} of ${name} is parked on ${path}` }))
    }
    const { fibers, since } = resumed.value
    return Result.succeed({
      instance: { ...instance, fibers, busy: true },
      event: Control.ProcessorResumed.make({ name, offset: Offset.make(since), kind, key })
    })
  }
  if (parked === undefined) return Result.fail(new NotFound({ reason: `${name} is not parked on ${path}` }))
  const offset = Offset.make(parked.offset)
  return Result.succeed(
    change._tag === "Resume"
      ? { instance: { ...instance, parked: undefined }, event: Control.ProcessorResumed.make({ name, offset }) }
      : {
        instance: { ...instance, parked: undefined, skipped: [...before.skipped, parked.offset] },
        event: Control.ProcessorSkipped.make({ name, offset, error: parked.error })
      }
  )
}

/** There is no such instance to change. */
export const missing = (name: string, path: string): NotFound =>
  new NotFound({ reason: `${name} has done nothing on ${path}` })

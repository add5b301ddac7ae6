/** Values that are recorded together: all of them are events, or nothing is recorded. */
import { Result } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Proposed } from "../domain/EventText.ts"
import { InvalidEvent, InvalidRequest, PayloadTooLarge } from "../domain/StreamError.ts"
import * as EventShape from "./EventShape.ts"

/** Most events of a request: one transaction, whose neighbours wait for it. */
export const maxEvents = 1_000

/** Most bytes of an event as it arrives: a tail holds at least one in memory, for each of its readers. */
export const maxEventBytes = 1024 * 1024

/** The batch has more than `maxEvents`. */
export const tooMany = (): PayloadTooLarge =>
  new PayloadTooLarge({ limit: maxEvents, reason: `A request has at most ${maxEvents} events: send them in parts` })

/** The event has more than `maxEventBytes`. */
export const tooLarge = (): PayloadTooLarge =>
  new PayloadTooLarge({ limit: maxEventBytes, reason: `An event has at most ${maxEventBytes} bytes as it arrives` })

/** Whether a text has more than `maxEventBytes`. Most are so short that nothing is counted. */
export const isTooLarge = (source: string): boolean =>
  source.length * 3 > maxEventBytes && Buffer.byteLength(source) > maxEventBytes

/** The events of values of which at least one is meant as an event, each with the text it was parsed from. */
export const propose = (
  values: ReadonlyArray<unknown>,
  sources: ReadonlyArray<string>
): Result.Result<NonEmptyReadonlyArray<Proposed>, InvalidRequest | InvalidEvent | PayloadTooLarge> => {
  const events: Array<Proposed> = []
  const keys = new Set<string>()
  let base: number | undefined
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    const source = sources[index] ?? ""
    if (!EventShape.isMeant(value)) {
      return Result.fail(new InvalidEvent({ reason: EventShape.strangeness(value), index }))
    }
    if (isTooLarge(source)) return Result.fail(tooLarge())
    const proposed = EventShape.propose(value, source)
    if (Result.isFailure(proposed)) {
      const { reason, field } = proposed.failure
      return Result.fail(new InvalidEvent({ reason, index, ...(field === undefined ? undefined : { field }) }))
    }
    const event = proposed.success
    if (event.idempotencyKey !== undefined) {
      if (keys.has(event.idempotencyKey)) {
        return Result.fail(
          new InvalidRequest({
            reason: `Event ${index} has the idempotencyKey of one before it, ${JSON.stringify(event.idempotencyKey)}`
          })
        )
      }
      keys.add(event.idempotencyKey)
    }
    if (event.offset !== undefined) {
      base ??= event.offset - index
      if (base < 1 || event.offset !== base + index) return Result.fail(notContiguous(index))
    }
    events.push(event)
  }
  const [first, ...rest] = events
  // The offset of any event tells that of the first.
  return first === undefined
    ? Result.fail(new InvalidRequest({ reason: "A batch has at least one event" }))
    : Result.succeed([base === undefined ? first : { ...first, offset: base }, ...rest])
}

const notContiguous = (index: number): InvalidEvent =>
  new InvalidEvent({ reason: "`offset` must be one more than that of the event before it", field: "offset", index })

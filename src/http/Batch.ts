/** Values that are recorded together: all of them are events, or nothing is recorded. */
import { Result } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { maxBatch, maxEventBytes } from "../domain/Bounds.ts"
import type { Proposed } from "../domain/EventText.ts"
import { InvalidEvent, InvalidRequest, PayloadTooLarge } from "../domain/StreamError.ts"
import * as EventShape from "./EventShape.ts"

/** The batch has more than `maxBatch`. */
export const tooMany = (): PayloadTooLarge =>
  new PayloadTooLarge({ limit: maxBatch, reason: `A request has at most ${maxBatch} events: send them in parts` })

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
    if (Result.isFailure(proposed)) return Result.fail(proposed.failure.at(index))
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

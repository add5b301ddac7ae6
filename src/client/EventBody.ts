/**
 * Events on their way out, judged before they are sent: a body that is no event would be recorded as
 * `webhook/received`, which is not what a caller of `append` meant.
 */
import { Result, Schema } from "effect"
import { EventInput } from "../domain/Event.ts"
import { InvalidEvent } from "../domain/StreamError.ts"

const fields = new Set(Object.keys(EventInput.fields))
const judge = Schema.decodeUnknownResult(EventInput)

const fieldsOf = (event: EventInput): Result.Result<Record<string, unknown>, InvalidEvent> => {
  const present: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(event)) {
    if (value === undefined) continue
    if (!fields.has(name)) {
      return Result.fail(new InvalidEvent({ reason: `\`${name}\` is not a field of an event`, field: name }))
    }
    present[name] = value
  }
  return Result.succeed(present)
}

/** The event as JSON text. */
export const fromEvent = (event: EventInput): Result.Result<string, InvalidEvent> =>
  Result.flatMap(fieldsOf(event), (present) =>
    Result.match(judge(present), {
      onSuccess: () => Result.succeed(JSON.stringify(present)),
      onFailure: (error) => Result.fail(new InvalidEvent({ reason: error.message.replaceAll(/\s+/g, " ") }))
    }))

/** The events as one JSON array; the error names the first wrong one. */
export const fromEvents = (events: ReadonlyArray<EventInput>): Result.Result<string, InvalidEvent> => {
  const texts: Array<string> = []
  for (const [index, event] of events.entries()) {
    const text = fromEvent(event)
    if (Result.isFailure(text)) {
      const { field, reason } = text.failure
      return Result.fail(new InvalidEvent({ reason, index, ...(field === undefined ? {} : { field }) }))
    }
    texts.push(text.success)
  }
  return Result.succeed(`[${texts.join(",")}]`)
}

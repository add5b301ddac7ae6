/** What code wants to append, judged as what comes over HTTP is. */
import { Effect, Result, Schema } from "effect"
import { judge } from "./Judgement.ts"
import { EventInput } from "./Event.ts"
import * as EventText from "./EventText.ts"
import { InvalidEvent, InvalidPath } from "./StreamError.ts"
import type { StreamPath } from "./StreamPath.ts"
import * as Path from "./StreamPath.ts"

export const parsePath = (text: string): Effect.Effect<StreamPath, InvalidPath> =>
  Path.is(text)
    ? Effect.succeed(text)
    : Effect.fail(new InvalidPath({ path: text, reason: Path.problem(text) ?? "it is no path" }))

const decodeInput = Schema.decodeUnknownResult(EventInput)

/** The event as the log takes it. */
export const propose = (input: EventInput): Effect.Effect<EventText.Proposed, InvalidEvent> => {
  const decoded = decodeInput(input)
  if (Result.isFailure(decoded)) {
    return Effect.fail(new InvalidEvent({ reason: decoded.failure.message.replaceAll(/\s+/g, " ") }))
  }
  const proposed = EventText.propose(decoded.success)
  const wrong = judge(proposed)
  return wrong === undefined ? Effect.succeed(proposed) : Effect.fail(wrong)
}

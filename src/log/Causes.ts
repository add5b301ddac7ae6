/**
 * Which events led to an event, and what it led to, across streams. Known limit: an event that was deleted is no link
 * any more, so a chain begins behind it, and what it led to is not found through it.
 */
import { Context } from "effect"
import type { Effect, Option } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import type { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"

export interface Traced {
  /** Events in their wire form. */
  readonly lines: ReadonlyArray<JsonText>
  /** Whether there are more, further away from the event than these. */
  readonly more: boolean
}

/** Each is none where the event does not exist. Where not all fit, those the fewest steps away from the event do. */
export class Causes extends Context.Service<Causes, {
  /** The events that led to this one, oldest first, and the event itself as the last. */
  readonly chain: (path: StreamPath, offset: number) => Effect.Effect<Option.Option<Traced>, Unavailable>
  /** All that this event led to, directly or not, in commit order. */
  readonly effects: (path: StreamPath, offset: number) => Effect.Effect<Option.Option<Traced>, Unavailable>
}>()("millstream/log/Causes") {}

/**
 * Events in which a built-in processor tells what went wrong. None of them tells of such an event again: two that fail
 * at what the other one tells would go on without end.
 */
import * as Control from "../domain/ControlEvent.ts"
import type { Event } from "../domain/Event.ts"
import * as Schedule from "../domain/Schedule.ts"
import * as Subscription from "../domain/Subscription.ts"
import * as Transformer from "../domain/Transformer.ts"

const processors: ReadonlySet<string> = new Set([
  Control.circuitBreaker,
  Schedule.processor,
  Subscription.processor,
  Transformer.processor
])

/** Whether a built-in processor tells in it what went wrong: known by its cause, which nobody else can make. */
export const isFailure = ({ cause, type }: Pick<Event, "cause" | "type">): boolean =>
  type === Control.ErrorOccurred.type && cause?.processor !== undefined && processors.has(cause.processor)

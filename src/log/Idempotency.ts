/**
 * Decides what a request's idempotency keys mean, given what the log holds under them: pure, so that every
 * store answers alike. Contents are compared as JSON values, with numbers as they were spelled.
 */
import { Offset } from "../domain/Event.ts"
import type { JsonText, Proposed } from "../domain/EventText.ts"
import * as JsonValue from "../domain/JsonText.ts"
import { IdempotencyConflict } from "../domain/StreamError.ts"

/** An event of the log that has a key. */
export interface Stored {
  readonly offset: number
  readonly type: string
  readonly payload: JsonText
  readonly metadata?: JsonText | undefined
  readonly line: JsonText
}

export type Verdict =
  | { readonly _tag: "New" }
  /** All of it was recorded before; the stored lines in the order of the request. */
  | { readonly _tag: "Known"; readonly lines: ReadonlyArray<JsonText> }
  | { readonly _tag: "Conflict"; readonly error: IdempotencyConflict }

/** `stored` holds what the stream has under the request's keys. */
export const judge = (
  events: ReadonlyArray<Proposed>,
  stored: Pick<ReadonlyMap<string, Stored>, "get">
): Verdict => {
  const lines: Array<JsonText> = []
  let known: Stored & { readonly key: string } | undefined
  let differs = false
  for (const event of events) {
    const found = event.idempotencyKey === undefined ? undefined : stored.get(event.idempotencyKey)
    if (found === undefined || event.idempotencyKey === undefined) continue
    lines.push(found.line)
    if (!hasContent(event, found)) differs = true
    if (known === undefined || differs) known = { ...found, key: event.idempotencyKey }
    if (differs) break
  }
  if (known === undefined) return { _tag: "New" }
  if (!differs && lines.length === events.length) return { _tag: "Known", lines }
  return {
    _tag: "Conflict",
    error: new IdempotencyConflict({ idempotencyKey: known.key, offset: Offset.make(known.offset) })
  }
}

const hasContent = (event: Proposed, stored: Stored): boolean =>
  event.type === stored.type && JsonValue.equal(event.payload, stored.payload) &&
  (event.metadata === undefined || stored.metadata === undefined
    ? event.metadata === stored.metadata
    : JsonValue.equal(event.metadata, stored.metadata))

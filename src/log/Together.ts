/**
 * Decides appends that are recorded together, or not at all: pure, so that every store answers alike. Unlike in a
 * client's batch, of which all keys are known or none, each event stands for itself: one that is known by its key
 * with the same content counts as recorded, whether it is in the log or came before in the same appends.
 */
import { Result } from "effect"
import type { JsonText, Recorded } from "../domain/EventText.ts"
import type { AppendError } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Heads, Terms, Written } from "./Admission.ts"
import { Draft } from "./Admission.ts"
import type { Appended, AppendRequest } from "./EventStore.ts"
import * as Idempotency from "./Idempotency.ts"

export interface Decided extends Written {
  /** One for each append, in their order. */
  readonly appended: ReadonlyArray<Appended>
  /** How many events of theirs are new. */
  readonly recorded: number
}

/** `known` is what the log holds of a stream under the keys of the appends. */
export const decide = (
  appends: ReadonlyArray<AppendRequest>,
  heads: Heads,
  known: (path: StreamPath) => ReadonlyMap<string, Idempotency.Stored>,
  terms: Terms
): Result.Result<Decided, AppendError> => {
  const draft = new Draft(heads, terms)
  const keyed = new Map<string, Recorded>()
  const appended: Array<Appended> = []
  let recorded = 0
  for (const append of appends) {
    const { events, path } = append
    const stored = { get: (key: string) => keyed.get(`${path} ${key}`) ?? known(path).get(key) }
    const lines: Array<JsonText> = []
    let isKnown = true
    for (const event of events) {
      const verdict = Idempotency.judge([event], stored)
      if (verdict._tag === "Conflict") return Result.fail(verdict.error)
      if (verdict._tag === "Known") {
        lines.push(...verdict.lines)
        continue
      }
      const taken = draft.take({ ...append, events: [event] })
      if (Result.isFailure(taken)) return Result.fail(taken.failure)
      isKnown = false
      for (const each of taken.success) {
        recorded += 1
        lines.push(each.line)
        if (each.idempotencyKey !== undefined) keyed.set(`${path} ${each.idempotencyKey}`, each)
      }
    }
    appended.push({ lines, known: isKnown })
  }
  return Result.succeed({ appended, recorded, ...draft.written() })
}

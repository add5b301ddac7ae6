/** One request: one event, or a batch of them, each as its own text or as what a transform made of it. Pure. */
import { Result } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import type { Evaluated } from "../Jsonata.ts"
import type { Place } from "./DeliveryCursor.ts"

export interface Push {
  readonly _tag: "Push"
  readonly body: JsonText
  /** Its first and last event in their wire form. */
  readonly first: JsonText
  readonly last: JsonText
  readonly count: number
  /** Behind its last event. */
  readonly end: Place
  /** Behind each of its events: asked for only where it was not taken. */
  readonly places: () => ReadonlyArray<Place>
}

/** What names a push, whether or not it could be made. */
export type Named = Pick<Push, "first" | "count" | "end" | "places">

export interface Parts {
  readonly isBatch: boolean
  /** Its events in their wire form, and what is pushed of each. */
  readonly lines: ReadonlyArray<JsonText>
  readonly texts: ReadonlyArray<JsonText>
  readonly place: (index: number) => Place
}

/** Of at least one event; without a batch of exactly one. */
export const make = ({ isBatch, lines, place, texts }: Parts): Push => {
  const [first] = lines
  const last = lines.at(-1)
  const [text] = texts
  const isWhole = texts.length === lines.length && (isBatch || texts.length === 1)
  if (first === undefined || last === undefined || text === undefined || !isWhole) {
    throw new Error(`A push of ${lines.length} events and ${texts.length} texts can not be made`)
  }
  return {
    _tag: "Push",
    body: isBatch ? `{"events":[${texts.join(",")}]}` : text,
    first,
    last,
    count: lines.length,
    end: place(lines.length - 1),
    places: () => lines.map((_, index) => place(index))
  }
}

/** What a transform made of an event, or why it made nothing. */
export const textOf = (result: Evaluated): Result.Result<JsonText, string> =>
  result._tag === "Failed"
    ? Result.fail(`Its transform failed: ${result.message}`)
    : result.value === undefined
    ? Result.fail("Its transform made nothing of it")
    : Result.succeed(JSON.stringify(result.value))

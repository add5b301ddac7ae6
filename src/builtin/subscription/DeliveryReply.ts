/** What a receiver's answer asks for: `{ "append": [ … ] }`. Pure. Known limit: numbers lose their spelling. */
import { Result, Schema } from "effect"
import { maxBatch } from "../../domain/Bounds.ts"
import * as Control from "../../domain/ControlEvent.ts"
import { judge } from "../../domain/Judgement.ts"
import { Metadata, Type } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import * as JsonText from "../../domain/JsonText.ts"
import { nearest } from "../../domain/Nearest.ts"
import { StreamPath } from "../../domain/StreamPath.ts"

const fields = {
  type: Type,
  payload: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(Metadata),
  streamPath: Schema.optionalKey(StreamPath)
}
const Appends = Schema.Array(Schema.Struct(fields))
const names = Object.keys(fields)

/** Characters of a strange name that are shown. */
const maxName = 64

export type Appends = typeof Appends.Type

export type Reply =
  /** It asks for nothing. */
  | { readonly _tag: "None" }
  | { readonly _tag: "Append"; readonly appends: Appends }
  /** It asks for something that can not be done. */
  | { readonly _tag: "Malformed"; readonly reason: string }

const none: Reply = { _tag: "None" }
const decode = Schema.decodeUnknownResult(Appends)
const utf8 = new TextDecoder()

/** Anything but a JSON object with an `append` asks for nothing. */
export const read = (body: Uint8Array): Reply => {
  if (body.length === 0) return none
  const text = utf8.decode(body)
  // Most answers hold no such name, and are not parsed.
  if (!text.includes("\"append\"")) return none
  if (JsonText.isTooDeep(text)) return malformed(`is nested deeper than ${JsonText.maxDepth}`)
  const parsed = Result.try((): unknown => JSON.parse(text))
  if (Result.isFailure(parsed)) return none
  const value = parsed.success
  if (typeof value !== "object" || value === null || !("append" in value)) return none
  const { append } = value
  // Each is looked at only where they are not too many.
  if (Array.isArray(append) && append.length > maxBatch) {
    return malformed(`has ${append.length} events, and at most ${maxBatch} are taken`)
  }
  const strange = Array.isArray(append) ? strangeness(append) : undefined
  if (strange !== undefined) return malformed(`does not fit: ${strange}`)
  const decoded = decode(append)
  if (Result.isFailure(decoded)) return malformed(`does not fit: ${decoded.failure.message.replaceAll(/\s+/g, " ")}`)
  const appends = decoded.success
  for (const [index, each] of appends.entries()) {
    // Where a stream asks for signatures, nothing else is to look like what was verified.
    if (each.type === Control.WebhookReceived.type) {
      return malformed(`is refused: event ${index}: only what arrives is ${each.type}, give it a type of yours`)
    }
    // Judged here, so that the first one that is refused is named.
    const wrong = judge(EventText.propose(each))
    if (wrong !== undefined) return malformed(`is refused: event ${index}: ${wrong.reason}`)
  }
  return appends.length === 0 ? none : { _tag: "Append", appends }
}

/** The first field that no event has: a misspelt one would be silence. */
const strangeness = (append: ReadonlyArray<unknown>): string | undefined => {
  for (const [index, each] of append.entries()) {
    if (typeof each !== "object" || each === null) continue
    const other = Object.keys(each).find((name) => !names.includes(name))
    if (other === undefined) continue
    const shown = other.length > maxName ? `${other.slice(0, maxName)}…` : other
    return `event ${index}: \`${shown}\` is not one of ${names.join(", ")}. Did you mean \`${nearest(other, names)}\`?`
  }
  return undefined
}

const malformed = (problem: string): Reply => ({ _tag: "Malformed", reason: `The \`append\` of its answer ${problem}` })

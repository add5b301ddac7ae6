/** What a receiver's answer asks for: `{ "append": [ … ] }`. Pure. Known limit: numbers lose their spelling. */
import { Result, Schema } from "effect"
import { maxBatch } from "../../domain/Bounds.ts"
import * as Control from "../../domain/ControlEvent.ts"
import { Metadata, Type } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import * as JsonText from "../../domain/JsonText.ts"
import { StreamPath } from "../../domain/StreamPath.ts"

const Appends = Schema.Array(Schema.Struct({
  type: Type,
  payload: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(Metadata),
  streamPath: Schema.optionalKey(StreamPath)
})).pipe(Schema.check(Schema.isMaxLength(maxBatch)))

export type Appends = typeof Appends.Type

export type Reply =
  /** It asks for nothing. */
  | { readonly _tag: "None" }
  | { readonly _tag: "Append"; readonly appends: Appends }
  /** It asks for something that can not be done. */
  | { readonly _tag: "Malformed"; readonly reason: string }

const none: Reply = { _tag: "None" }
const decode = Schema.decodeUnknownResult(Appends)
const strictly = { onExcessProperty: "error" } as const
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
  const decoded = decode(value.append, strictly)
  if (Result.isFailure(decoded)) return malformed(`does not fit: ${decoded.failure.message.replaceAll(/\s+/g, " ")}`)
  const appends = decoded.success
  for (const [index, append] of appends.entries()) {
    // Judged here: in the name of this very processor the runtime takes what only the server may say.
    const wrong = Control.judge(EventText.propose(append))
    if (wrong !== undefined) return malformed(`is refused: event ${index}: ${wrong.reason}`)
  }
  return appends.length === 0 ? none : { _tag: "Append", appends }
}

const malformed = (problem: string): Reply => ({ _tag: "Malformed", reason: `The \`append\` of its answer ${problem}` })

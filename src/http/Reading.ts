/**
 * What a body says, by its content type: JSON values with the text they were written in, or what can be no event. The
 * charset of a content type is not looked at: text is UTF-8, and what is not is bytes.
 */
import { Result } from "effect"
import { isUtf8 } from "node:buffer"
import { maxBatch, maxEventBytes } from "../domain/Bounds.ts"
import type { JsonText } from "../domain/EventText.ts"
import * as Json from "../domain/JsonText.ts"
import { InvalidEvent, InvalidRequest } from "../domain/StreamError.ts"
import type { PayloadTooLarge } from "../domain/StreamError.ts"
import * as Batch from "./Batch.ts"
import * as EventShape from "./EventShape.ts"
import * as Form from "./Form.ts"
import * as YamlDocuments from "./YamlDocuments.ts"

/** One JSON value. `source` is the JSON it was parsed from; `raw` the text that arrived. */
export interface Value {
  readonly _tag: "Value"
  readonly value: unknown
  readonly source: string
  readonly raw: string
}

/** Values in a row: the lines of NDJSON, or several documents of YAML. */
export interface Rows {
  readonly _tag: "Rows"
  readonly values: ReadonlyArray<unknown>
  readonly sources: ReadonlyArray<string>
  readonly raw: string
}

/** No event, and why. `raw` is there where `body` was parsed from it and it is text. */
export interface Other {
  readonly _tag: "Other"
  readonly body: JsonText
  readonly raw: string | undefined
  readonly reason: string
}

export type Reading = Value | Rows | Other
type Read = Result.Result<Reading, InvalidRequest | InvalidEvent | PayloadTooLarge>

/** Reads a body that has been decoded. */
export const read = (body: Uint8Array, contentType: string | undefined): Read => {
  const kind = kindOf(contentType)
  if (kind === "multipart" && contentType !== undefined) {
    if (body.length > maxEventBytes) return Result.fail(Batch.tooLarge())
    const form = Form.fromMultipart(body, contentType)
    const raw = textOf(body)
    return Result.succeed(
      Result.isFailure(form)
        ? other(raw ?? body, `the form is malformed: ${form.failure}`)
        : { _tag: "Other", body: form.success, raw, reason: "a form is not an event" }
    )
  }
  const text = textOf(body)
  if (text === undefined) return Result.succeed(other(body, "the body is not UTF-8"))
  switch (kind) {
    case "json":
      return readJson(text, "the body is not JSON")
    case "none":
      return readJson(text, "the body has no content type and is not JSON")
    case "ndjson":
      return readLines(text)
    case "yaml":
      return readYaml(text)
    case "form":
      return readForm(text)
    default:
      return Result.succeed(other(text, `${contentType} is kept as it is`))
  }
}

type Kind = "json" | "yaml" | "ndjson" | "form" | "multipart" | "none" | "other"

const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["", "none"],
  ["application/json", "json"],
  ["text/json", "json"],
  ["application/yaml", "yaml"],
  ["application/x-yaml", "yaml"],
  ["text/yaml", "yaml"],
  ["text/x-yaml", "yaml"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
  ["application/x-jsonlines", "ndjson"],
  ["application/jsonlines", "ndjson"],
  ["application/x-www-form-urlencoded", "form"],
  ["multipart/form-data", "multipart"]
])

const kindOf = (contentType: string | undefined): Kind => {
  if (contentType === undefined) return "none"
  const exact = kinds.get(contentType)
  if (exact !== undefined) return exact
  const semicolon = contentType.indexOf(";")
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
  return kinds.get(type) ?? (type.endsWith("+json") ? "json" : type.endsWith("+yaml") ? "yaml" : "other")
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const textOf = (bytes: Uint8Array): string | undefined => isUtf8(bytes) ? buffer(bytes).toString() : undefined

/** Some editors begin a file with a mark that JSON does not know. */
const withoutMark = (text: string): string => text.charCodeAt(0) === 0xfeff ? text.slice(1) : text

const other = (body: string | Uint8Array, reason: string): Other => ({
  _tag: "Other",
  body: JSON.stringify(typeof body === "string" ? body : { base64: buffer(body).toString("base64") }),
  raw: undefined,
  reason: body.length === 0 ? "the body is empty" : reason
})

/** The value; fails with the parser's sentence where the text is no JSON. */
const parseJson = (text: string): Result.Result<unknown, string | InvalidRequest> => {
  if (Json.isTooDeep(text)) {
    return Result.fail(new InvalidRequest({ reason: `The body nests deeper than ${Json.maxDepth} levels` }))
  }
  try {
    return Result.succeed<unknown>(JSON.parse(text))
  } catch (cause) {
    return Result.fail(cause instanceof Error ? cause.message : String(cause))
  }
}

const readJson = (raw: string, reason: string): Read => {
  const source = withoutMark(raw)
  const parsed = parseJson(source)
  if (Result.isSuccess(parsed)) return Result.succeed({ _tag: "Value", value: parsed.success, source, raw })
  return typeof parsed.failure === "string"
    ? Result.succeed(other(raw, `${reason}: ${parsed.failure}`))
    : Result.fail(parsed.failure)
}

/** A broken line makes all of it text, unless another is an event, which must not be lost in silence. */
const readLines = (raw: string): Read => {
  const sources = Json.lines(withoutMark(raw))
  if (sources.length > maxBatch && raw.length > maxEventBytes) return Result.fail(Batch.tooMany())
  const values: Array<unknown> = []
  let broken: { readonly index: number; readonly reason: string } | undefined
  for (const [index, source] of sources.entries()) {
    // A line that is no JSON takes far longer than one that is, so not all of them are looked at.
    if (broken !== undefined && index > maxBatch) break
    const parsed = parseJson(source)
    if (Result.isSuccess(parsed)) values.push(parsed.success)
    else if (typeof parsed.failure === "string") broken ??= { index, reason: parsed.failure }
    else return Result.fail(parsed.failure)
  }
  if (broken !== undefined) {
    const { index, reason } = broken
    return values.some(EventShape.isMeant)
      ? Result.fail(new InvalidEvent({ reason: `the line is not JSON: ${reason}`, index }))
      : Result.succeed(other(raw, `line ${index + 1} is not JSON: ${reason}`))
  }
  return Result.succeed(
    sources.length === 0 ? other(raw, "the body holds no line") : { _tag: "Rows", values, sources, raw }
  )
}

const readYaml = (raw: string): Read => {
  // JSON is YAML, and reading it as such keeps it as it was written.
  const source = withoutMark(raw)
  const json = parseJson(source)
  if (Result.isSuccess(json)) return Result.succeed({ _tag: "Value", value: json.success, source, raw })
  const documents = YamlDocuments.parse(source)
  if (Result.isFailure(documents)) {
    return documents.failure instanceof YamlDocuments.NotYaml
      ? Result.succeed(other(raw, `the body is not YAML: ${documents.failure.reason}`))
      : Result.fail(documents.failure)
  }
  const sources = documents.success
  const [first] = sources
  if (first === undefined) return Result.succeed(other(raw, "the body holds no document"))
  return Result.succeed(
    sources.length === 1
      ? { _tag: "Value", value: JSON.parse(first), source: first, raw }
      : { _tag: "Rows", values: sources.map((text): unknown => JSON.parse(text)), sources, raw }
  )
}

/** curl labels everything a form, so whatever else it can be comes first; YAML only where it holds an event. */
const readForm = (raw: string): Read => {
  const json = readJson(raw, "")
  if (Result.isFailure(json) || json.success._tag === "Value") return json
  if (raw.includes("\n")) {
    const rows = readLines(raw)
    if (Result.isFailure(rows) || rows.success._tag === "Rows") return rows
  }
  // Most forms go no further: a browser escapes the colon.
  if (raw.includes("type") && raw.includes(":")) {
    const yaml = readYaml(raw)
    if (Result.isFailure(yaml) || holdsEvent(yaml.success)) return yaml
  }
  if (raw === "") return json
  if (raw.length > maxEventBytes) return Result.fail(Batch.tooLarge())
  return Result.succeed({ _tag: "Other", body: Form.fromUrlEncoded(raw), raw, reason: "a form is not an event" })
}

const holdsEvent = (reading: Reading): boolean =>
  reading._tag === "Rows"
    ? reading.values.some(EventShape.isMeant)
    : reading._tag === "Value" &&
      (Array.isArray(reading.value) ? reading.value.some(EventShape.isMeant) : EventShape.isMeant(reading.value))

/**
 * The body of an append, from what was typed. What the server would not take for an event is refused here: it would be
 * recorded as `webhook/received`, which is not what someone who types `append` means.
 */
import { Result } from "effect"
import { parseAllDocuments } from "yaml"
import * as Failure from "./Failure.ts"

/** What was typed, and as what; `any` came on standard input and may be either. */
export interface Source {
  readonly form: "json" | "yaml" | "any"
  readonly text: string
}

export interface Body {
  readonly text: string
  readonly contentType: string
}

type Made = Result.Result<Body, Failure.Failure>

/** The fields that a client sends, and those that come back with a recorded event and are ignored. */
const fields = new Set([
  "type",
  "payload",
  "metadata",
  "idempotencyKey",
  "offset",
  "streamPath",
  "createdAt",
  "cause"
])

/** Why a value is no event, or `undefined`. */
const problem = (value: unknown): string | undefined => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "an event is an object with a `type`"
  if (!("type" in value) || typeof value.type !== "string") return "it has no `type`"
  const unknown = Object.keys(value).find((name) => !fields.has(name))
  return unknown === undefined ? undefined : `\`${unknown}\` is not a field of an event`
}

const noEvent = (why: string): Failure.Failure =>
  Failure.usage(`That is no event: ${why}. Name a type to make it the payload: millstream append PATH TYPE …`)

const judged = (values: ReadonlyArray<unknown>, body: Body): Made => {
  if (values.length === 0) return Result.fail(noEvent("it is empty"))
  for (const value of values) {
    const why = problem(value)
    if (why !== undefined) return Result.fail(noEvent(why))
  }
  return Result.succeed(body)
}

const parseJson = (text: string): Result.Result<unknown, string> => {
  try {
    return Result.succeed<unknown>(JSON.parse(text))
  } catch (cause) {
    return Result.fail(cause instanceof Error ? cause.message : String(cause))
  }
}

const parseYaml = (text: string): Result.Result<ReadonlyArray<unknown>, string> => {
  try {
    const values: Array<unknown> = []
    for (const document of parseAllDocuments(text, { version: "1.2", uniqueKeys: true, logLevel: "silent" })) {
      const error = document.errors[0]
      if (error !== undefined) return Result.fail(error.message.split("\n")[0] ?? error.message)
      if (document.contents !== null) values.push(document.toJS({ maxAliasCount: 100 }))
    }
    return Result.succeed(values)
  } catch (cause) {
    return Result.fail(cause instanceof Error ? cause.message : String(cause))
  }
}

const json = "application/json"
const yaml = "application/yaml"

/** An event of this type with the typed text as its payload, kept as it was written. */
const withPayload = (type: string, { form, text }: Source): Made => {
  const parsed = parseJson(text)
  if (form !== "yaml" && Result.isSuccess(parsed)) {
    return Result.succeed({ text: `{"type":${JSON.stringify(type)},"payload":${text}}`, contentType: json })
  }
  if (form === "json" && Result.isFailure(parsed)) {
    return Result.fail(Failure.usage(`The payload is not JSON: ${parsed.failure}`))
  }
  const payload = parseYaml(text)
  if (Result.isFailure(payload)) return Result.fail(Failure.usage(`The payload is not YAML: ${payload.failure}`))
  if (payload.success.length !== 1) return Result.fail(Failure.usage("The payload must be one YAML document"))
  // Shifted to the right it is the same YAML below a key.
  const lines = text.replace(/^---[ \t]*\r?\n/, "").replace(/\n(?:---|\.\.\.)\s*$/, "\n").split("\n")
  const shifted = lines.map((line) => line === "" ? "" : `  ${line}`).join("\n")
  const body = `type: ${JSON.stringify(type)}\npayload:\n${shifted}\n`
  const whole = parseYaml(body)
  return Result.isSuccess(whole)
    ? judged(whole.success, { text: body, contentType: yaml })
    : Result.fail(Failure.usage(`The payload is not YAML that can stand below a key: ${whole.failure}`))
}

const isLine = (line: string): boolean => line.trim() !== ""

/** A whole event or a batch. */
const whole = ({ form, text }: Source): Made => {
  const parsed = parseJson(text)
  if (form !== "yaml" && Result.isSuccess(parsed)) {
    return judged(Array.isArray(parsed.success) ? parsed.success : [parsed.success], { text, contentType: json })
  }
  if (form === "json" && Result.isFailure(parsed)) {
    return Result.fail(Failure.usage(`That is not JSON: ${parsed.failure}`))
  }
  const lines = Result.all(text.split("\n").filter(isLine).map(parseJson))
  if (form === "any" && Result.isSuccess(lines)) {
    return judged(lines.success, { text, contentType: "application/x-ndjson" })
  }
  const documents = parseYaml(text)
  if (Result.isFailure(documents)) return Result.fail(Failure.usage(`That is not YAML: ${documents.failure}`))
  const values = documents.success.length === 1 && Array.isArray(documents.success[0])
    ? documents.success[0]
    : documents.success
  return judged(values, { text, contentType: yaml })
}

/** The body to send; without a type the text itself is the event or the batch, without a text the payload is empty. */
export const make = (type: string | undefined, source: Source | undefined): Made => {
  if (source === undefined) {
    return type === undefined
      ? Result.fail(Failure.usage("There is nothing to append: give a TYPE, --json, --yaml, --ndjson, or - to read it"))
      : Result.succeed({ text: JSON.stringify({ type }), contentType: json })
  }
  return type === undefined ? whole(source) : withPayload(type, source)
}

/**
 * Tells an event from any other JSON value. Written by hand because every append passes here; a property test holds
 * it to the schema `EventInput`.
 */
import { Result } from "effect"
import { nameProblem } from "../domain/Event.ts"
import type { Proposed } from "../domain/EventText.ts"
import * as JsonText from "../domain/JsonText.ts"
import { InvalidEvent } from "../domain/StreamError.ts"

/** A value of JSON's type object. */
type JsonObject = { readonly [name: string]: unknown }

/** Whether a value of JSON is an object. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether a value of JSON is meant as an event: it has a string `type` and only fields of an event. */
export const isMeant = (value: unknown): value is JsonObject =>
  isObject(value) && typeof value["type"] === "string" && Object.keys(value).every(isField)

/** Why a value is not meant as an event, as a sentence. */
export const strangeness = (value: unknown): string => {
  if (!isObject(value)) return `${value === null ? "null" : kindOf(value)} is not an event`
  const other = Object.keys(value).find((name) => !isField(name))
  if (other !== undefined) return `\`${shorten(other)}\` is not a field of an event`
  return value["type"] === undefined ? "`type` is missing" : "`type` is not a string"
}

/**
 * The event that a value is meant as. `source` is the text it was parsed from; the payload and metadata are cut out of
 * it. Fails with the first field that is wrong.
 */
export const propose = (value: JsonObject, source: string): Result.Result<Proposed, InvalidEvent> => {
  const { type, metadata, idempotencyKey, offset } = value
  if (typeof type !== "string") return wrong("type", "must be a string")
  const typeProblem = nameProblem(type)
  if (typeProblem !== undefined) return wrong("type", typeProblem)
  if (metadata !== undefined && !isObject(metadata)) return wrong("metadata", "must be an object")
  if (idempotencyKey !== undefined) {
    if (typeof idempotencyKey !== "string") return wrong("idempotencyKey", "must be a string")
    const keyProblem = nameProblem(idempotencyKey)
    if (keyProblem !== undefined) return wrong("idempotencyKey", keyProblem)
  }
  if (offset !== undefined && !isOffset(offset)) return wrong("offset", "must be an integer of at least 1")
  if (value["payload"] === undefined && metadata === undefined) {
    return Result.succeed({ type, payload: "{}", metadata: undefined, idempotencyKey, offset })
  }
  const texts = JsonText.members(source, textFields)
  return Result.succeed({ type, payload: texts[0] ?? "{}", metadata: texts[1], idempotencyKey, offset })
}

/** The field is wrong; the problem says what it must be. */
export const wrong = (field: string, problem: string): Result.Result<never, InvalidEvent> =>
  Result.fail(new InvalidEvent({ reason: `\`${field}\` ${problem}`, field }))

const textFields = ["payload", "metadata"]

const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1

/** The last three are the log's own, and ignored: what was read can be sent again. */
const isField = (name: string): boolean => {
  switch (name) {
    case "type":
    case "payload":
    case "metadata":
    case "idempotencyKey":
    case "offset":
    case "streamPath":
    case "createdAt":
    case "cause":
      return true
    default:
      return false
  }
}

const kindOf = (value: unknown): string => Array.isArray(value) ? "an array" : `a ${typeof value}`

/** Longest part of a name that is quoted in a sentence, in characters. */
const maxQuoted = 64
const shorten = (name: string): string => name.length > maxQuoted ? `${name.slice(0, maxQuoted)}…` : name

/**
 * Plain data as text, so that equal values are equal texts: the inputs of fibers are compared by it. An object that
 * has a `toJSON` is what that says, a class's instance its own fields; what either leaves out is not compared.
 */
import { DateTime, Redacted } from "effect"
import type { JsonText } from "../domain/EventText.ts"

/** Bound of nesting, as the log's own for JSON. What refers to itself ends here too. */
const maxDepth = 512

/**
 * JSON with the names of objects in order. Throws where a value has no text of its own, such as `undefined`, `NaN`, a
 * function or a `Map`: two of them would seem equal. `path` says in the error where the value is.
 */
export const text = (value: unknown, path: ReadonlyArray<string> = []): JsonText => write(value, [...path])

const write = (value: unknown, path: Array<string>): JsonText => {
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "boolean") return value ? "true" : "false"
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : refuse(String(value), path)
  if (value === null) return "null"
  if (typeof value !== "object") return refuse(typeof value, path)
  if (path.length > maxDepth) return refuse(`what is nested deeper than ${maxDepth}`, path)
  if (Array.isArray(value)) return writeArray(value, path)
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? writeFields(value, path) : writeInstance(value, path)
}

const writeArray = (values: ReadonlyArray<unknown>, path: Array<string>): JsonText => {
  let json = ""
  for (let i = 0; i < values.length; i++) json += `${i === 0 ? "" : ","}${writeAt(String(i), values[i], path)}`
  return `[${json}]`
}

const writeFields = (value: object, path: Array<string>): JsonText => {
  const fields = Object.entries(value)
  if (fields.length > 1) fields.sort(([a], [b]) => (a < b ? -1 : 1))
  let json = ""
  for (const [name, field] of fields) {
    json += `${json === "" ? "" : ","}${JSON.stringify(name)}:${writeAt(name, field, path)}`
  }
  return `{${json}}`
}

const writeInstance = (value: object, path: Array<string>): JsonText => {
  // Their own JSON hides what they hold, so that all secrets, and one instant in all zones, would be equal.
  if (Redacted.isRedacted(value)) return refuse("a Redacted", path)
  if (DateTime.isDateTime(value)) {
    return JSON.stringify(DateTime.isZoned(value) ? DateTime.formatIsoZoned(value) : DateTime.formatIso(value))
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) return refuse("an invalid Date", path)
  if ("toJSON" in value && typeof value.toJSON === "function") return writeAt("toJSON()", value.toJSON(), path)
  const tag = Object.prototype.toString.call(value)
  return tag === "[object Object]" ? writeFields(value, path) : refuse(`a ${tag.slice(8, -1)}`, path)
}

const writeAt = (name: string, value: unknown, path: Array<string>): JsonText => {
  path.push(name)
  const json = write(value, path)
  path.pop()
  return json
}

const refuse = (what: string, path: ReadonlyArray<string>): never => {
  // A path that never ends is told by its beginning.
  const place = path.length > 16 ? [...path.slice(0, 16), "…"] : path
  throw new TypeError(`${what} is not plain data${place.length === 0 ? "" : `, at ${place.join(" → ")}`}`)
}

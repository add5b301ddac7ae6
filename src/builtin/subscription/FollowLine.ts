/** Parts of a line of the log, found by where they stand: a line is looked at by many, and decoded by few. */
import type { JsonText } from "../../domain/EventText.ts"
import { stringEnd } from "../../domain/JsonText.ts"

const beforeOffset = "{\"offset\":"
const beforeType = ",\"type\":"
/** What a line ends with: its time has one length. */
const time = "2026-11-22T08:00:00.000Z"
const behindTime = "\"}"
const behindPath = `","createdAt":"${time}${behindTime}`

/** Where its type begins, with the quote. */
const typeStart = (line: JsonText): number => line.indexOf(",", beforeOffset.length) + beforeType.length

/** Whether its type begins so; `json` is the beginning of a JSON string. */
export const hasType = (line: JsonText, json: JsonText): boolean => line.startsWith(json, typeStart(line))

/** Its type, as JSON. */
export const typeOf = (line: JsonText): JsonText => {
  const start = typeStart(line)
  return line.slice(start, stringEnd(line, start))
}

/** The path of its stream. */
export const pathOf = (line: JsonText): string => {
  const end = line.length - behindPath.length
  return line.slice(line.lastIndexOf("\"", end - 1) + 1, end)
}

/** When it was recorded, in milliseconds since 1970. */
export const millisOf = (line: JsonText): number =>
  Date.parse(line.slice(-time.length - behindTime.length, -behindTime.length))

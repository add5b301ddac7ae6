/** The events that are appended: a payload of exactly 200 bytes of JSON with an id that a tail can be searched for. */

/** Bytes of the payload's JSON text. */
export const size = 200

const digits = 8
/** The type of every event. */
export const type = "bench/measured"

/** Occurs once in the stored form of each event, in every protocol and format. */
export const marker = JSON.stringify(type)

/** What only the event with this number holds. */
export const id = (number: number): string => `"id":"${String(number).padStart(digits, "0")}"`

const text = "the quick brown fox jumps over the lazy dog, ".repeat(5)
const open = `,"text":"`

/** The payload of one event. */
export const payload = (number: number): string => {
  const start = `{${id(number)}${open}`
  return `${start}${text.slice(0, size - start.length - 2)}"}`
}

/** One event as the JSON text of a request. */
export const event = (number: number): string => `{"type":${marker},"payload":${payload(number)}}`

/** An array of events, numbered from 0. */
export const batch = (length: number): string => `[${Array.from({ length }, (_, i) => event(i)).join(",")}]`

/** Schedules of a service, and what became of their due times: asked for over HTTP, as anyone would. */
import { Schema } from "effect"
import * as Sha256 from "../../src/domain/Sha256.ts"

const Recorded = Schema.Struct({
  type: Schema.String,
  createdAt: Schema.String,
  payload: Schema.Struct({
    slug: Schema.String,
    due: Schema.optionalKey(Schema.String),
    outcome: Schema.optionalKey(Schema.String)
  }),
  idempotencyKey: Schema.String
})
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Recorded))

/** What was recorded of a schedule, each list in order of the log. */
export interface Met {
  /** The keys of the appended events. */
  readonly events: ReadonlyArray<string>
  /** The due times that were told of, with what became of them. */
  readonly words: ReadonlyArray<string>
}

const streamAt = (port: number, stream: string) => `http://127.0.0.1:${port}/api/streams${stream}`

export const configure = async (port: number, stream: string, payload: object): Promise<void> => {
  const { status } = await fetch(streamAt(port, stream), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: "schedule/configured", payload })
  })
  if (status !== 201) throw new Error(`${stream} answered ${status}`)
}

const read = async (port: number, stream: string, type: string) => {
  const text = await (await fetch(`${streamAt(port, stream)}?live=false&format=ndjson&types=${type}`)).text()
  return text.split("\n").filter((line) => line !== "").map((line) => decode(line))
}

/** The name of a schedule for each due time that its stream was told of, in order of the log. */
export const told = async (port: number, stream: string): Promise<ReadonlyArray<string>> =>
  (await read(port, stream, "schedule/fired")).map(({ payload }) => payload.slug)

/** Of the schedule with this name on a stream; its events are of the type `rang` and carry the name. */
export const met = async (port: number, stream: string, target: string, slug: string): Promise<Met> => {
  const [rang, fired] = await Promise.all([read(port, target, "rang"), read(port, stream, "schedule/fired")])
  return {
    events: rang.filter(({ payload }) => payload.slug === slug).map(({ idempotencyKey }) => idempotencyKey),
    words: fired.filter(({ payload }) => payload.slug === slug)
      .map(({ payload: { due = "", outcome = "" } }) => `${due} ${outcome}`)
  }
}

/**
 * What a schedule must have met that makes up for all: each due time from the first to the last, once and in order. Its
 * stream where its events go to another one.
 */
export const promised = (
  first: number,
  everyMillis: number,
  { events, words }: Met,
  slug: string,
  source?: string
): Met => {
  const count = Math.max(events.length, words.length)
  const dues = Array.from({ length: count }, (_, i) => new Date(first + i * everyMillis).toISOString())
  const from = source === undefined ? "" : `/${Sha256.base64Url(source)}`
  return { events: dues.map((due) => `schedule/${slug}/${due}${from}`), words: dues.map((due) => `${due} appended`) }
}

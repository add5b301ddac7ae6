/**
 * The prototype that a competent programmer writes by hand on the same Postgres: `node:http`, a micro-batcher, one
 * statement a batch at default durability. What a batch adds to a stream is encoded once and is one write to each tail.
 * One process, no idempotency, no admission, no limits; a failed statement ends it.
 */
import * as http from "node:http"
import pg from "pg"
import * as Body from "./Body.ts"
import * as Reference from "./Reference.ts"

/** Events of one statement, so that one does not hold the others up for long. */
const batchEvents = 5_000

/** Events of one page of history. */
const pageEvents = 1_000

/** Bytes that may wait for one tail, as the contract says, before it is disconnected. */
const tailBytes = 1024 * 1024

interface Append {
  readonly streamPath: string
  readonly inputs: ReadonlyArray<Reference.Input>
  readonly isBatch: boolean
  readonly response: http.ServerResponse
}

const writer = new pg.Client({ connectionString: process.env["DATABASE_URL"] })
const readers = new pg.Pool({ connectionString: process.env["DATABASE_URL"], max: 4 })
await writer.connect()
await writer.query(`
  create table if not exists events (
    stream text not null, "offset" bigint not null, type text not null, payload text not null, metadata text,
    created_at timestamptz not null, primary key (stream, "offset")
  )`)

/** The last offset of each stream that is assigned, and that is committed. */
const assigned = new Map<string, number>()
const committed = new Map<string, number>()
const tails = new Map<string, Set<http.ServerResponse>>()

const stored = await writer.query<{ readonly stream: string; readonly head: string }>(
  `select stream, max("offset") as head from events group by stream`
)
for (const { stream, head } of stored.rows) {
  assigned.set(stream, Number(head))
  committed.set(stream, Number(head))
}

let waiting: Array<Append> = []
let scheduled = false

const insert = `
  insert into events (stream, "offset", type, payload, metadata, created_at)
  select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])`

const takeGroup = (): ReadonlyArray<Append> => {
  let events = 0
  let length = 0
  for (const { inputs } of waiting) {
    if (length > 0 && events + inputs.length > batchEvents) break
    events += inputs.length
    length += 1
  }
  const group = waiting.slice(0, length)
  waiting = waiting.slice(length)
  return group
}

const fanOut = (streamPath: string, frames: string): void => {
  for (const tail of tails.get(streamPath) ?? []) {
    if (tail.writableLength > tailBytes) tail.destroy()
    else tail.write(frames)
  }
}

const commit = async (): Promise<void> => {
  while (waiting.length > 0) {
    const group = takeGroup()
    const streams: Array<string> = []
    const offsets: Array<number> = []
    const types: Array<string> = []
    const payloads: Array<string> = []
    const metadata: Array<string | null> = []
    const times: Array<string> = []
    const replies: Array<string> = []
    const grown = new Map<string, string>()
    const createdAt = new Date().toISOString()
    for (const { streamPath, inputs, isBatch } of group) {
      const events: Array<string> = []
      let frames = ""
      const isTailed = (tails.get(streamPath)?.size ?? 0) > 0
      for (const input of inputs) {
        const offset = (assigned.get(streamPath) ?? 0) + 1
        assigned.set(streamPath, offset)
        const payload = JSON.stringify(input.payload ?? {})
        const json = Reference.stored(input, payload, streamPath, offset, createdAt)
        streams.push(streamPath)
        offsets.push(offset)
        types.push(input.type)
        payloads.push(payload)
        metadata.push(input.metadata === undefined ? null : JSON.stringify(input.metadata))
        times.push(createdAt)
        events.push(json)
        if (isTailed) frames += Reference.frame(offset, json)
      }
      grown.set(streamPath, (grown.get(streamPath) ?? "") + frames)
      replies.push(isBatch ? `[${events.join(",")}]` : events.join(""))
    }
    await writer.query({ name: "insert", text: insert, values: [streams, offsets, types, payloads, metadata, times] })
    streams.forEach((streamPath, i) => committed.set(streamPath, offsets[i] ?? 0))
    group.forEach(({ response }, i) => Reference.reply(response, replies[i] ?? ""))
    for (const [streamPath, frames] of grown) fanOut(streamPath, frames)
  }
  scheduled = false
}

const append = (request: Append): void => {
  waiting.push(request)
  if (scheduled) return
  scheduled = true
  // After this turn of the event loop: what arrived together is committed together.
  setImmediate(() => void commit())
}

const page = `
  select "offset", type, payload, metadata, created_at from events
  where stream = $1 and "offset" > $2::bigint order by "offset" limit ${pageEvents}`

type Row = [offset: string, type: string, payload: string, metadata: string | null, createdAt: Date]

/** Sends what exists after an offset, at the reader's pace, and returns the last offset sent. */
const history = async (
  streamPath: string,
  after: number,
  encode: (offset: number, json: string) => string,
  response: http.ServerResponse
): Promise<number> => {
  let offset = after
  while (offset < (committed.get(streamPath) ?? 0) && !response.destroyed) {
    const values = [streamPath, offset]
    const { rows } = await readers.query<Row>({ name: "page", text: page, values, rowMode: "array" })
    let text = ""
    for (const [at, type, payload, metadata, createdAt] of rows) {
      offset = Number(at)
      const input = { type, ...(metadata === null ? {} : { metadata: JSON.parse(metadata) }) }
      text += encode(offset, Reference.stored(input, payload, streamPath, offset, createdAt.toISOString()))
    }
    if (!response.write(text)) {
      await new Promise<void>((resolve) => {
        response.once("drain", resolve)
        response.once("close", resolve)
      })
    }
  }
  return offset
}

const read = async (streamPath: string, query: URLSearchParams, response: http.ServerResponse): Promise<void> => {
  const isSse = query.get("format") !== "ndjson"
  response.writeHead(200, { "content-type": isSse ? "text/event-stream" : "application/x-ndjson" })
  if (isSse) response.write(Reference.greeting)
  const after = query.get("afterOffset")
  const start = after === "end" ? committed.get(streamPath) ?? 0 : Number(after ?? 0)
  const encode = isSse ? Reference.frame : (_: number, json: string) => `${json}\n`
  const offset = await history(streamPath, start, encode, response)
  if (isSse) response.write(Reference.caughtUp(offset))
  if (query.get("live") === "false") return void response.end()
  // History ended at the committed head in this same turn, so nothing can fall in between.
  const listening = tails.get(streamPath) ?? new Set()
  tails.set(streamPath, listening.add(response))
  response.once("close", () => listening.delete(response))
}

Reference.serve((request, response) => {
  const { streamPath, query } = Reference.address(request)
  if (request.method !== "POST") return void read(streamPath, query, response)
  Body.read(request, (body) => {
    append({ streamPath, inputs: Reference.events(body), isBatch: body.startsWith("["), response })
  })
})

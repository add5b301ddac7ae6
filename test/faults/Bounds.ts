/** What many tails cost: those that take nothing while much is appended, and a thousand that take everything. */
import * as Fact from "./Fact.ts"
import { IdReader } from "./IdReader.ts"
import type { Service } from "./Service.ts"
import * as Traffic from "./Traffic.ts"

/** Events of one request. */
const batch = 1_000
/** What a paused tail may take all the same, in bytes: what its stream buffers before it stops reading the socket. */
const mostTaken = 1_048_576
/** What the service's memory may grow by, in bytes. */
export const mostGrowth = 150 * 1_000_000

export interface Bounds {
  readonly problems: ReadonlyArray<string>
  /** Bytes that the service's memory grew by while the tails were paused. */
  readonly growth: number
  readonly connections: number
}

let streams = 0

const append = async (service: Service, path: string, events: number): Promise<void> => {
  const payload = { text: "x".repeat(200 - JSON.stringify({ text: "" }).length) }
  const event = { type: "bounds/written", payload }
  const body = JSON.stringify(Array.from({ length: Math.min(events, batch) }, () => event))
  for (let left = events; left > 0; left -= batch) {
    const { body: answer, status } = await Traffic.ask({
      port: service.port,
      path: `/api/streams${path}`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body
    })
    if (status !== 201) throw new Error(`${status}: ${answer}`)
  }
}

const problemsOf = (readers: ReadonlyArray<IdReader>, head: number): ReadonlyArray<string> =>
  readers.flatMap(({ gap, last }, i) =>
    gap !== undefined ? [`tail ${i}: ${gap}`] : last !== head ? [`tail ${i} ended at ${last} of ${head}`] : [])

/** Tails whose sockets are not read while so many events are appended, and which are read to the end afterwards. */
export const pausedTails = async (service: Service, tails: number, events: number): Promise<Bounds> => {
  const path = `/paused-${++streams}`
  // The first requests of a process make it grow for reasons of its own.
  const warmUp = 5 * batch
  await append(service, path, warmUp)
  // Tails that choose types share no page with each other, so that what one holds counts once for each of them.
  const all = "?types=stream/initialized,bounds/written"
  const readers = Array.from({ length: tails }, () => new IdReader(service.port, path, all))
  try {
    const isRead = ({ caughtUp, last }: IdReader) => caughtUp && last === warmUp + 1
    await Fact.until("history at every tail", () => readers.every(isRead))
    const history = readers.map(({ taken }) => taken)
    for (const reader of readers) reader.pause()
    const before = service.memory()
    let most = before
    for (let appended = 0; appended < events; appended += batch) {
      await append(service, path, Math.min(batch, events - appended))
      most = Math.max(most, service.memory())
    }
    const head = warmUp + 1 + events
    const awake = readers.filter(({ taken }, i) => taken - (history[i] ?? 0) > mostTaken)
    // One after another: what is measured is the service, and this process shares the machine with it.
    for (const reader of readers) {
      reader.resume()
      await Fact.until(`all of ${head} events`, () => reader.last >= head)
      most = Math.max(most, service.memory())
    }
    const growth = most - before
    const grown = growth < mostGrowth ? [] : [`the service grew by ${Math.round(growth / 1e6)} MB`]
    const connections = readers.reduce((sum, reader) => sum + reader.connections, 0)
    const read = awake.length === 0 ? [] : [`${awake.length} tails were not paused: nothing was measured`]
    return { problems: [...read, ...grown, ...problemsOf(readers, head)], growth, connections }
  } finally {
    for (const reader of readers) reader.stop()
  }
}

/** Tails of one stream that all see every event. */
export const manyTails = async (service: Service, tails: number, events: number): Promise<Bounds> => {
  const path = `/many-${++streams}`
  await append(service, path, 1)
  const before = service.memory()
  const readers = Array.from({ length: tails }, () => new IdReader(service.port, path))
  try {
    await Fact.until("history at every tail", () => readers.every(({ caughtUp, last }) => caughtUp && last === 2))
    for (let appended = 0; appended < events; appended += 10) await append(service, path, 10)
    const head = 2 + events
    await Fact.until("every event at every tail", () => readers.every(({ last }) => last >= head))
    const connections = readers.reduce((sum, reader) => sum + reader.connections, 0)
    return { problems: problemsOf(readers, head), growth: service.memory() - before, connections }
  } finally {
    for (const reader of readers) reader.stop()
  }
}

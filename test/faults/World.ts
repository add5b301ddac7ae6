/**
 * A service on an embedded Postgres with a load on it, something that strikes both, and the judgement afterwards. What
 * the log holds is read from Postgres itself; what the service reads is one more tail.
 */
import type { Logged, Tail, Verdict } from "./Checker.ts"
import * as Checker from "./Checker.ts"
import * as Fact from "./Fact.ts"
import type { Load } from "./Load.ts"
import * as LoadOver from "./Load.ts"
import * as PostgresProcesses from "./PostgresProcesses.ts"
import type { Random } from "./Random.ts"
import type { Service } from "./Service.ts"
import * as Traffic from "./Traffic.ts"

/** Acknowledged events that must come before a fault strikes, at least and at most, and after it. */
const leastBefore = 100
const mostBefore = 1_500
const after = 200

/** What a fault does to a service. It returns when all that it did is over. */
export type Strike = (service: Service, random: Random) => Promise<void>

export interface Outcome extends Verdict {
  /** From each strike to the next acknowledgement, in milliseconds. */
  readonly recoveries: ReadonlyArray<number>
  /** How many times the fault struck. */
  readonly rounds: number
}

let loads = 0

/**
 * Strikes so many times, each under load, and then judges all that was seen. Where events may be lost on purpose, tails
 * are not waited for: what was lost and numbered anew they may have passed.
 */
export const run = async (
  service: Service,
  strike: Strike,
  rounds: number,
  random: Random,
  careless = false
): Promise<Outcome> => {
  const prefix = `/load-${++loads}`
  const load = LoadOver.start({ port: service.port, prefix, random: random.fork() })
  const recoveries: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    await grown(load, random.whole(leastBefore, mostBefore))
    const started = performance.now()
    await strike(service, random)
    await grown(load, 1)
    recoveries.push(performance.now() - started)
    await grown(load, after)
  }
  return { ...(await judge(service, load, prefix, careless)), recoveries, rounds }
}

const grown = async (load: Load, events: number): Promise<void> => {
  const wanted = load.acknowledged() + events
  await Fact.until(`${wanted} acknowledged events`, () => load.acknowledged() >= wanted)
}

/** Ends the load and holds what it saw against the log. */
const judge = async (service: Service, load: Load, prefix: string, careless: boolean): Promise<Verdict> => {
  const appends = await load.finish()
  await service.ready()
  const log = await readLog(service, prefix)
  const heads = new Map([...Map.groupBy(log, ({ path }) => path)].map(([path, { length }]) => [path, length]))
  const tails = await load.tails(careless ? new Map() : heads)
  const reads = await Promise.all([...heads.keys()].map((path) => read(service, path)))
  return Checker.check({ appends, log, tails: [...tails, ...reads] })
}

interface Row {
  readonly path: string
  readonly offset: string
  readonly type: string
  readonly payload: string
  readonly metadata: string | null
  readonly key: string | null
}

/** All events of a stream and all below it, from the tables. */
const readLog = (service: Service, prefix: string): Promise<ReadonlyArray<Logged>> =>
  PostgresProcesses.connected(service.dataDir, async (client) => {
    const { rows } = await client.query<Row>(
      `select s.path, e."offset", e.type, e.payload, e.metadata, e.idempotency_key as key
      from millstream.events e join millstream.streams s on s.id = e.stream_id
      where s.path = $1 or s.path like $1 || '/%' order by s.path, e."offset"`,
      [prefix]
    )
    return rows.map(({ key, metadata, offset, path, payload, type }) =>
      Traffic.recorded({
        streamPath: path,
        offset: Number(offset),
        type,
        payload: JSON.parse(payload),
        ...(metadata === null ? {} : { metadata: JSON.parse(metadata) }),
        ...(key === null ? {} : { idempotencyKey: key })
      }))
  })

/** What the service answers when it is asked for all of a stream. */
const read = async (service: Service, path: string): Promise<Tail> => {
  const asked = { port: service.port, path: `/api/streams${path}?format=ndjson&live=false` }
  const { body, status } = await Traffic.ask(asked)
  if (status !== 200) throw new Error(`${status}: ${body}`)
  const seen = body.split("\n").filter((line) => line !== "").map(Traffic.logged)
  return { name: `read of ${path}`, path, within: false, seen, complete: true }
}

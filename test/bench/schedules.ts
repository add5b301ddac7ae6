/**
 * What schedules cost: how late many of them fire that are due in the same second, with and without a kill of the
 * service in the middle, and what the service needs while thousands of them are pending.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Arguments from "./Arguments.ts"
import * as Child from "./Child.ts"
import * as Machine from "./Machine.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import * as Report from "./Report.ts"
import * as Server from "./Server.ts"

const names = ["fire", "kill", "idle", "single"] as const

const usage = `node test/bench/schedules.ts [options]
  --rounds N      rounds of each measurement of lateness, 1 to 20 (3)
  --schedules N   schedules that are due at once, on 100 streams (1000)
  --pending N     schedules that are pending (10000)
  --single N      schedules that are configured one by one, with a payload of 1 KB each (2000)
  --settle N      seconds until what is pending is measured (20)
  --only NAME,... of ${names.join(", ")}`

const streams = 100
/** Schedules are due within this time behind one instant, in milliseconds. */
const spread = 1_000
/** From the configuration until then, in milliseconds. */
const ahead = 6_000
/** How late the last may be, in milliseconds, and what a pending one may cost, as a share of one core. */
const latenessBar = 2_000
const idleBar = 0.01
const idleSeconds = 10
/** Requests at a time, and events of one. */
const requestsAtOnce = 32
/** The same of schedules that are configured one by one. */
const singlesAtOnce = 8
/** What they append has so many characters; and how much longer they may take than plain events of that size. */
const singleSize = 1_000
const singleBar = 3
const batch = 1_000
/** How long the last may take until the measurement is given up, in milliseconds. */
const patience = 60_000

interface Recorded {
  readonly type: string
  readonly createdAt: string
  readonly idempotencyKey?: string
}

const readArguments = () => {
  const text = { type: "string" } as const
  const options = {
    rounds: text, schedules: text, pending: text, single: text, settle: text, only: text, help: { type: "boolean" }
  } as const
  const { values } = Arguments.read(() => parseArgs({ options }), usage)
  const count = (name: string, text: string | undefined, otherwise: number, most: number) =>
    Arguments.count({ name, text, otherwise, most }, usage)
  return {
    help: values.help ?? false,
    rounds: count("rounds", values.rounds, 3, 20),
    schedules: count("schedules", values.schedules, 1_000, 100_000),
    pending: count("pending", values.pending, 10_000, 100_000),
    single: count("single", values.single, 2_000, 3_000),
    settle: count("settle", values.settle, 20, 600),
    chosen: Arguments.choose({ name: "only", text: values.only }, names, (name) => name, usage)
  }
}

const urlOf = ({ target: { host, port } }: Server.Server, stream: string) => `http://${host}:${port}/api/streams${stream}`

const post = async (server: Server.Server, stream: string, events: ReadonlyArray<unknown>): Promise<void> => {
  const headers = { "content-type": "application/json" }
  const response = await fetch(urlOf(server, stream), { method: "POST", headers, body: JSON.stringify(events) })
  const answer = await response.text()
  if (response.status !== 201) throw new Error(`${stream} answered ${response.status}: ${answer}`)
}

/** Does something for each of many, some at a time. */
const forEach = async <A>(
  all: ReadonlyArray<A>,
  action: (each: A) => Promise<void>,
  atOnce = requestsAtOnce
): Promise<void> => {
  const left = [...all]
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let each = left.shift(); each !== undefined; each = left.shift()) await action(each)
  }))
}

const configured = (slug: string, due: number) => ({
  type: "schedule/configured",
  payload: { slug, schedule: { at: new Date(due).toISOString() }, append: { event: { type: "rang", payload: { slug } } } }
})

const isRecorded = (value: unknown): value is ReadonlyArray<Recorded> => Array.isArray(value)

const read = async (server: Server.Server, stream: string, type: string): Promise<ReadonlyArray<Recorded>> => {
  const events: unknown = await (await fetch(`${urlOf(server, stream)}?live=false&types=${type}&format=json`)).json()
  if (!isRecorded(events)) throw new Error(`${stream} answered ${JSON.stringify(events)}`)
  return events
}

/** How late each was, in milliseconds; one that is there twice is a fault. */
const latenesses = (events: ReadonlyArray<Recorded>): ReadonlyArray<number> => {
  const keys = events.map(({ idempotencyKey = "" }) => idempotencyKey)
  if (new Set(keys).size !== keys.length) throw new Error("a due time was met twice")
  return events.map(({ createdAt, idempotencyKey = "" }) =>
    Date.parse(createdAt) - Date.parse(idempotencyKey.slice(idempotencyKey.lastIndexOf("/") + 1)))
}

/** Schedules that are due in one second, on streams of their own. */
const configure = async (server: Server.Server, prefix: string, schedules: number): Promise<number> => {
  const due = Date.now() + ahead
  const paths = Array.from({ length: streams }, (_, i) => `${prefix}/${i}`)
  await forEach(paths, (stream) => {
    const number = paths.indexOf(stream)
    const own = Array.from({ length: Math.ceil((schedules - number) / streams) }, (_, i) => number + i * streams)
    return post(server, stream, own.map((i) => configured(`s${i}`, due + (i * 7_919) % spread)))
  })
  if (Date.now() > due) throw new Error("the machine is too slow: they were due before they were configured")
  return due
}

/** All that were recorded on these streams, once there are as many. */
const rung = async (server: Server.Server, prefix: string, schedules: number): Promise<ReadonlyArray<Recorded>> => {
  for (const deadline = Date.now() + patience;;) {
    const events: Array<Recorded> = []
    const words: Array<Recorded> = []
    await forEach(Array.from({ length: streams }, (_, i) => `${prefix}/${i}`), async (stream) => {
      events.push(...await read(server, stream, "rang"))
      words.push(...await read(server, stream, "schedule/fired"))
    })
    if (words.length > schedules || events.length > schedules) throw new Error("more were met than there are")
    if (words.length === schedules && events.length === schedules) return events
    if (Date.now() > deadline) throw new Error(`only ${events.length} of ${schedules} were met`)
    await delay(200)
  }
}

/** The CPU time of a process, in seconds, and what it holds in memory, in bytes. */
const costOf = (pid: number) => {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  const [user = 0, system = 0] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number)
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return { cpu: (user + system) / 100, rss: Number(kilobytes) * 1_024 }
}

const rows: Array<ReadonlyArray<string>> = [["measurement", "unit", "found", "bar", ""]]
const verdict = (isMet: boolean): string => isMet ? "met" : "not met"

await Child.main(async () => {
  const { chosen, help, pending, rounds, schedules, settle, single } = readArguments()
  if (help) return console.log(usage)
  const postgres = await PostgresCluster.start()
  let databases = 0
  const database = () => postgres.database(`schedules_${databases++}`)
  const folder = () => path.join(Child.folder(), "data")

  const fire = async () => {
    const server = await Server.product(folder(), await database())
    const found: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      const due = await configure(server, `/fire/${round}`, schedules)
      await delay(due + spread + 500 - Date.now())
      const late = latenesses(await rung(server, `/fire/${round}`, schedules))
      found.push(Math.max(...late))
      console.log(`fire: median ${Report.number(Report.median(late))} ms late, last ${Math.max(...late)} ms`)
    }
    await server.stop()
    const isMet = Math.max(...found) <= latenessBar
    rows.push([
      `${schedules} due in a second on ${streams} streams, the last`, "ms late", Report.range(found), `≤ ${latenessBar}`,
      verdict(isMet)
    ])
  }

  const kill = async () => {
    const url = await database()
    const found: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      const data = folder()
      const first = await Server.product(data, url)
      const due = await configure(first, `/kill/${round}`, schedules)
      await delay(due + spread / 2 - Date.now())
      process.kill(first.target.pid, "SIGKILL")
      const killed = Date.now()
      const second = await Server.product(data, url)
      const ready = Date.now()
      const events = await rung(second, `/kill/${round}`, schedules)
      const before = events.filter(({ createdAt }) => Date.parse(createdAt) <= killed).length
      const late = Math.max(...latenesses(events))
      const last = Math.max(...events.map(({ createdAt }) => Date.parse(createdAt)))
      found.push(last - ready)
      console.log(`kill: ${before} of ${schedules} before it, ready after ${ready - killed} ms, last ${late} ms late`)
      await second.stop()
    }
    rows.push([
      `the same, killed in the middle: the last behind the next start`, "ms", Report.range(found), `≤ ${latenessBar}`,
      verdict(Math.max(...found) <= latenessBar)
    ])
  }

  const idle = async () => {
    const hour = 3_600_000
    const measure = async (title: string, on: number) => {
      const server = await Server.product(folder(), await database())
      const began = performance.now()
      const each = Math.floor(pending / Math.max(1, on))
      await forEach(Array.from({ length: on }, (_, i) => i), async (stream) => {
        for (let done = 0; done < each; done += batch) {
          const some = Array.from({ length: Math.min(batch, each - done) }, (_, i) => stream * each + done + i)
          await post(server, `/idle/${stream}`, some.map((i) => configured(`s${i}`, Date.now() + hour + i * 100)))
        }
      })
      const seconds = (performance.now() - began) / 1_000
      await delay(settle * 1_000)
      const watched = Machine.watch()
      const before = costOf(server.target.pid)
      await delay(idleSeconds * 1_000)
      const after = costOf(server.target.pid)
      const share = (after.cpu - before.cpu) / idleSeconds
      const elsewhere = Report.disturbed({ rate: 0, elsewhere: watched() ?? 0 })
      console.log(`${title}: configured in ${Report.number(seconds)} s, ${(share * 100).toFixed(2)} % CPU, ` +
        `${(after.rss / 1_000_000).toFixed(0)} MB${elsewhere}`)
      rows.push([
        title, "% CPU, MB", `${(share * 100).toFixed(2)}, ${(after.rss / 1_000_000).toFixed(0)}`, `< ${idleBar * 100}`,
        verdict(share < idleBar)
      ])
      await server.stop()
    }
    await measure("none pending", 0)
    await measure(`${pending} pending on ${streams} streams`, streams)
    await measure(`${pending} pending on one stream`, 1)
    await measure(`${pending} pending on ${pending} streams`, pending)
  }

  /** One request each, as many clients do, beside one that appends to another stream. */
  const measureSingle = async () => {
    const server = await Server.product(folder(), await database())
    const payload = { text: "x".repeat(singleSize) }
    const unlimited = { type: "stream/circuit-breaker-configured", payload: { enabled: false } }
    const measure = async (stream: string, event: (i: number) => object) => {
      await post(server, stream, [unlimited])
      const latencies: Array<number> = []
      let isDone = false
      const neighbour = (async () => {
        while (!isDone) {
          const began = performance.now()
          await post(server, "/single/neighbour", [unlimited])
          latencies.push(performance.now() - began)
          await delay(20)
        }
      })()
      const began = performance.now()
      const all = Array.from({ length: single }, (_, i) => i)
      await forEach(all, (i) => post(server, stream, [event(i)]), singlesAtOnce)
      const seconds = (performance.now() - began) / 1_000
      isDone = true
      await neighbour
      console.log(`${stream}: ${single} in ${Report.number(seconds)} s; a neighbour's append takes ` +
        `${Report.number(Report.median(latencies))} ms, at most ${Report.number(Math.max(...latencies))} ms`)
      return seconds
    }
    const plain = await measure("/single/plain", () => ({ type: "rang", payload }))
    const configuring = await measure("/single/schedules", (i) => ({
      type: "schedule/configured",
      payload: { slug: `s${i}`, schedule: { after: "1 hour" }, append: { event: { type: "rang", payload } } }
    }))
    await server.stop()
    rows.push([
      `${single} configured one by one on one stream, to as many plain events`, "× the time",
      Report.number(configuring / plain), `≤ ${singleBar}`, verdict(configuring <= singleBar * plain)
    ])
  }

  try {
    for (const name of chosen) await { fire, kill, idle, single: measureSingle }[name]()
  } finally {
    console.log(`\n${Report.table(rows)}`)
  }
})

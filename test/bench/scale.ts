/**
 * Does it cost the same on a full log? Two services with the embedded Postgres, one empty and one filled through the
 * HTTP API, are measured side by side in interleaved rounds; then each is stopped and its start-up timed.
 */
import * as path from "node:path"
import { parseArgs } from "node:util"
import * as Arguments from "./Arguments.ts"
import * as Child from "./Child.ts"
import * as Job from "./Job.ts"
import * as Report from "./Report.ts"
import * as Server from "./Server.ts"

const usage = `npm run bench:scale -- [options]
  --streams N  streams of the full log, all children of one (100000)
  --events N   events of its longest stream (1000000)
  --rounds N   rounds of each measurement, 1 to 20 (3)
  --seconds N  seconds of each measurement, 1 to 60 (3)`

/** How much more anything may cost on the full log, and how long a start after a clean stop may take, in seconds. */
const costBar = 2
const startBar = 3

/** Children that a listing asks for; the empty log has as many, so that both answers are of one size. */
const listed = 100

/** The names of what a log is filled with. */
interface Log {
  /** The parent of the many streams or of the few. */
  readonly family: string
  /** The parent of the one long or short stream, which is its child 0. */
  readonly stream: string
}

interface Measure {
  readonly title: string
  readonly unit: string
  readonly figure: "rate" | "p50"
  readonly job: (log: Log, seconds: number) => Job.Job
}

// Reads come first: the appends that follow make the short stream a long one.
const measures: ReadonlyArray<Measure> = [
  {
    title: "last 10 events as JSON",
    unit: "ms, p50",
    figure: "p50",
    job: ({ stream }, seconds) => ({ kind: "get", url: `/api/streams${stream}/0?last=10&format=json`, seconds })
  },
  {
    title: `first ${listed} children`,
    unit: "ms, p50",
    figure: "p50",
    job: ({ family }, seconds) => ({ kind: "get", url: `/api/children${family}?limit=${listed}`, seconds })
  },
  {
    title: "append to tail",
    unit: "ms, p50",
    figure: "p50",
    job: ({ stream }, seconds) => ({ kind: "latency", path: `${stream}/0`, seconds })
  },
  {
    title: "append, 1 connection",
    unit: "ms, p50",
    figure: "p50",
    job: ({ stream }, seconds) => ({ kind: "append", path: stream, connections: 1, streams: 1, batch: 1, seconds })
  },
  {
    title: "append, 64 connections, one stream",
    unit: "events/s",
    figure: "rate",
    job: ({ stream }, seconds) => ({ kind: "append", path: stream, connections: 64, streams: 1, batch: 1, seconds })
  },
  {
    title: "append, 64 connections, 64 streams",
    unit: "events/s",
    figure: "rate",
    job: ({ family }, seconds) => ({ kind: "append", path: family, connections: 64, streams: 64, batch: 1, seconds })
  }
]

const readArguments = () => {
  const text = { type: "string" } as const
  const options = { streams: text, events: text, rounds: text, seconds: text, help: { type: "boolean" } } as const
  const { values } = Arguments.read(() => parseArgs({ options }), usage)
  return {
    help: values.help ?? false,
    streams: Arguments.count({ name: "streams", text: values.streams, otherwise: 100_000, most: 1_000_000 }, usage),
    events: Arguments.count({ name: "events", text: values.events, otherwise: 1_000_000, most: 10_000_000 }, usage),
    rounds: Arguments.count({ name: "rounds", text: values.rounds, otherwise: 3, most: 20 }, usage),
    seconds: Arguments.count({ name: "seconds", text: values.seconds, otherwise: 3, most: 60 }, usage)
  }
}

/** Fills a log in parts, each a job, and says how far it is. */
const fill = async (server: Server.Server, log: Log, streams: number, events: number): Promise<void> => {
  const part = 10_000
  for (let from = 0; from < streams; from += part) {
    const to = Math.min(streams, from + part)
    const { rate } = await Job.run(server, { kind: "streams", path: log.family, from, to })
    console.log(`${log.family}: ${to} of ${streams} streams, ${Report.number(rate)} streams/s`)
  }
  for (let done = 0; done < events; done += 10 * part) {
    const some = Math.min(10 * part, events - done)
    const { rate } = await Job.run(server, { kind: "fill", path: `${log.stream}/0`, events: some })
    console.log(`${log.stream}: ${done + some} of ${events} events, ${Report.number(rate)} events/s`)
  }
}

/** Seconds that something took. */
const timed = async (action: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await action()
  return (performance.now() - began) / 1_000
}

const verdict = (isMet: boolean): string => isMet ? "met" : "not met"

await Child.main(async () => {
  const { help, streams, events, rounds, seconds } = readArguments()
  if (help) return console.log(usage)
  console.log("starting two services with the embedded Postgres")
  const emptyData = path.join(Child.folder(), "data")
  const fullData = path.join(Child.folder(), "data")
  const empty = { server: await Server.product(emptyData), family: "/few", stream: "/short" }
  const full = { server: await Server.product(fullData), family: "/many", stream: "/long" }
  await fill(empty.server, empty, listed, 10)
  await fill(full.server, full, streams, events)

  const found = measures.map(() => ({ empty: Array<number>(), full: Array<number>(), cost: Array<number>() }))
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { title, unit, figure, job }] of measures.entries()) {
      const onEmpty = await Job.run(empty.server, job(empty, seconds))
      const onFull = await Job.run(full.server, job(full, seconds))
      const small = onEmpty[figure]
      const large = onFull[figure]
      if (small === undefined || large === undefined) throw new Error(`${title}: nothing was measured`)
      const cost = figure === "rate" ? small / large : large / small
      found[i]?.empty.push(small)
      found[i]?.full.push(large)
      found[i]?.cost.push(cost)
      const figures = `${Report.number(small)} empty, ${Report.number(large)} full (${unit})`
        + (Report.disturbed(onEmpty) || Report.disturbed(onFull))
      console.log(`round ${round}/${rounds}  ${title}: ${figures}`)
    }
  }

  const rows = [["measurement", "unit", "empty log", "full log", "cost full / empty", "bar", ""]]
  for (const [i, { title, unit }] of measures.entries()) {
    const { empty, full, cost } = found[i] ?? { empty: [], full: [], cost: [] }
    const isMet = Report.median(cost) <= costBar
    const costs = Report.range(cost, (ratio) => ratio.toFixed(2))
    rows.push([title, unit, Report.range(empty), Report.range(full), costs, `≤ ${costBar}`, verdict(isMet)])
  }
  const restart = async (server: Server.Server, data: string) => ({
    stop: await timed(server.stop),
    start: await timed(() => Server.product(data))
  })
  console.log("stopping and starting each")
  const small = await restart(empty.server, emptyData)
  const large = await restart(full.server, fullData)
  const inSeconds = (value: number) => value.toFixed(2)
  rows.push(["stop, SIGTERM to end", "s", inSeconds(small.stop), inSeconds(large.stop)])
  const isMet = large.start < startBar
  const starts = [inSeconds(small.start), inSeconds(large.start)]
  rows.push(["start to healthy", "s", ...starts, "", `< ${startBar} s`, verdict(isMet)])
  console.log(`\n${streams} streams, one stream of ${events} events\n\n${Report.table(rows)}`)
})

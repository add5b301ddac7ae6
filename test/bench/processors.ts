/**
 * What processors cost, each measurement beside its reference in interleaved rounds on one Postgres, printed as ratios.
 * Inputs are put into the log before a measurement begins.
 */
import * as os from "node:os"
import * as path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Arguments from "./Arguments.ts"
import * as Child from "./Child.ts"
import { answer } from "./Counter.ts"
import * as HostJob from "./HostJob.ts"
import * as IdleLog from "./IdleLog.ts"
import * as Job from "./Job.ts"
import * as Machine from "./Machine.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import * as Report from "./Report.ts"
import * as Server from "./Server.ts"

const names = ["fold", "hooks", "latency", "http-latency", "asleep", "start"] as const
type Name = typeof names[number]

const usage = `npm run bench:processors -- [options]
  --rounds N     rounds of each measurement, 1 to 20 (3)
  --events N     events of the stream that is folded (100000)
  --instances N  instances that sleep (10000)
  --streams N    idle streams at a start (100000)
  --only NAME,...  of ${names.join(", ")}`

/** Streams that hooks answer on, and the events of each. */
const answered = { streams: 64, events: 1_000 }
/** Appends of one round whose time is measured. */
const timedAppends = 300
const seconds = 3
/** Bound of what sleeping instances hold, in bytes, and of a start, in seconds. */
const memoryBar = 100_000_000
const startBar = 3
/** Time for Postgres and the machine to finish what a measurement left, in milliseconds. */
const settling = 300

const readArguments = () => {
  const text = { type: "string" } as const
  const counts = { rounds: text, events: text, instances: text, streams: text }
  const options = { ...counts, only: text, help: { type: "boolean" } } as const
  const { values } = Arguments.read(() => parseArgs({ options }), usage)
  return {
    help: values.help ?? false,
    rounds: Arguments.count({ name: "rounds", text: values.rounds, otherwise: 3, most: 20 }, usage),
    events: Arguments.count({ name: "events", text: values.events, otherwise: 100_000, most: 10_000_000 }, usage),
    instances: Arguments.count({ name: "instances", text: values.instances, otherwise: 10_000, most: 100_000 }, usage),
    streams: Arguments.count({ name: "streams", text: values.streams, otherwise: 100_000, most: 1_000_000 }, usage),
    chosen: Arguments.choose({ name: "only", text: values.only }, names, (name) => name, usage)
  }
}

const rows: Array<ReadonlyArray<string>> = [
  ["measurement", "unit", "reference", "processor", "CPU µs", "ratio", "bar", ""]
]
const present = (values: ReadonlyArray<number | undefined>): ReadonlyArray<number> =>
  values.filter((value) => value !== undefined)
const verdict = (isMet: boolean): string => isMet ? "met" : "not met"
const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1)

/** Adds a row whose rates or times are compared round by round. */
const compare = (
  { bar, figure, title, unit }: {
    readonly title: string
    readonly unit: string
    readonly figure: "rate" | "p50"
    readonly bar: number
  },
  rounds: ReadonlyArray<HostJob.Found>
): void => {
  const reference = present(rounds.map((round) => round.reference?.[figure]))
  const measured = present(rounds.map((round) => round.measured[figure]))
  const cpu = (found: ReadonlyArray<HostJob.Figures | undefined>) => present(found.map((figures) => figures?.["cpu"]))
  const costs = [cpu(rounds.map((round) => round.reference)), cpu(rounds.map((round) => round.measured))]
  const ratios = measured.map((value, i) => value / (reference[i] ?? Number.NaN))
  const isMet = figure === "rate" ? Report.median(ratios) >= bar : Report.median(ratios) <= bar
  rows.push([
    title,
    unit,
    Report.range(reference),
    Report.range(measured),
    costs.some((values) => values.length === 0)
      ? ""
      : costs.map((values) => Report.number(Report.median(values))).join(" / "),
    Report.range(ratios, (ratio) => ratio.toFixed(2)),
    `${figure === "rate" ? "≥" : "≤"} ${bar}`,
    verdict(isMet)
  ])
}

/** A remark on something else that kept the machine busy. */
const disturbed = (elsewhere: number | undefined): string =>
  Report.disturbed({ rate: 0, ...(elsewhere === undefined ? {} : { elsewhere }) })

const figuresOf = (found: Job.Found): HostJob.Figures => ({
  rate: found.rate,
  ...(found.p50 === undefined ? {} : { p50: found.p50 }),
  ...(found.cpu === undefined ? {} : { cpu: found.cpu })
})

const tell = (title: string, { measured, reference }: HostJob.Found, elsewhere?: number): void => {
  const figures = (all: HostJob.Figures) =>
    Object.entries(all).map(([name, value]) => `${name} ${Report.number(value)}`).join(", ")
  const before = reference === undefined ? "" : `${figures(reference)}; processor `
  console.log(`${title}: ${before}${figures(measured)}${disturbed(elsewhere)}`)
}

await Child.main(async () => {
  const { chosen, events, help, instances, rounds, streams } = readArguments()
  if (help) return console.log(usage)
  console.log(`${os.availableParallelism()} cores, load average ${Report.number(os.loadavg()[0] ?? 0)}`)
  const postgres = await PostgresCluster.start()
  let databases = 0
  const database = () => postgres.database(`measured_${databases++}`)
  const settle = async () => {
    await postgres.checkpoint()
    await delay(settling)
  }
  const folder = () => path.join(Child.folder(), "data")

  const fold = async () => {
    const { elsewhere, rounds: found } = await HostJob.run(await database(), { kind: "fold", events, rounds })
    for (const round of found) tell("fold", round, elsewhere)
    compare({ title: `fold of ${events} events / read`, unit: "events/s", figure: "rate", bar: 0.5 }, found)
  }

  const hooks = async () => {
    const server = await Server.product(folder(), await database())
    const append: Job.Job = { kind: "append", path: "/bench", connections: 64, streams: 64, batch: 1, seconds }
    await Job.run(server, append)
    const found: Array<HostJob.Found> = []
    for (let round = 0; round < rounds; round++) {
      await settle()
      const appended = await Job.run(server, append)
      await settle()
      const { elsewhere, rounds: [hooked] } = await HostJob.run(await database(), { kind: "hooks", ...answered })
      if (hooked === undefined) throw new Error("hooks found nothing")
      const one = { ...hooked, reference: figuresOf(appended) }
      tell("hooks", one, Math.max(elsewhere ?? 0, appended.elsewhere ?? 0))
      found.push(one)
    }
    await server.stop()
    compare({ title: "hook's events / appends, 64 streams", unit: "events/s", figure: "rate", bar: 0.5 }, found)
  }

  const latency = async () => {
    const job = { kind: "latency", appends: timedAppends, rounds } as const
    const { elsewhere, rounds: found } = await HostJob.run(await database(), job)
    for (const round of found) tell("latency", round, elsewhere)
    compare({ title: "append to hook's event / to event, in process", unit: "ms, p50", figure: "p50", bar: 3 }, found)
  }

  const serve = (data: string, url: string, pattern: string) =>
    Server.product(data, url, [HostJob.program, JSON.stringify({ kind: "serve", streams: pattern })])

  const httpLatency = async () => {
    const server = await serve(folder(), await database(), "/answered/*")
    const plain: Job.Job = { kind: "latency", path: "/plain/0", seconds }
    const hooked: Job.Job = { kind: "latency", path: "/answered/0", answer, seconds }
    const found: Array<HostJob.Found> = []
    for (let round = 0; round <= rounds; round++) {
      await settle()
      const reference = await Job.run(server, plain)
      const measured = await Job.run(server, hooked)
      const one = { reference: figuresOf(reference), measured: figuresOf(measured) }
      // The first round would be that of code that is not compiled yet.
      if (round > 0) found.push(one)
      if (round > 0) tell("latency over HTTP", one, Math.max(reference.elsewhere ?? 0, measured.elsewhere ?? 0))
    }
    await server.stop()
    compare({ title: "append to hook's event / to event, HTTP", unit: "ms, p50", figure: "p50", bar: 3 }, found)
  }

  const asleep = async () => {
    const { elsewhere, rounds: [found] } = await HostJob.run(await database(), { kind: "asleep", instances })
    if (found === undefined) throw new Error("nothing slept")
    tell("asleep", found, elsewhere)
    for (const [figure, title] of [["heap", "heap and external"], ["rss", "resident set"]] as const) {
      const grown = found.measured[figure] ?? Number.NaN
      rows.push([
        `${instances} instances asleep, ${title}`, "MB", "", megabytes(grown), "", "", `< ${megabytes(memoryBar)}`,
        verdict(grown < memoryBar)
      ])
    }
    const { awake = Number.NaN, most = Number.NaN } = found.measured
    rows.push([`${instances} instances awake, heap and external`, "MB", "", megabytes(awake)])
    rows.push([`${instances} instances, resident set at most, with garbage`, "MB", "", megabytes(most)])
  }

  const start = async () => {
    const data = folder()
    const url = await database()
    const first = await serve(data, url, `${IdleLog.parent}/*`)
    await Job.run(first, { kind: "streams", path: "/one", from: 0, to: 1 })
    await first.stop()
    await IdleLog.fill(url, "answering", streams)
    const healthy: Array<number> = []
    const reacting: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      await settle()
      const watched = Machine.watch()
      const began = performance.now()
      const server = await serve(data, url, `${IdleLog.parent}/*`)
      const health = (performance.now() - began) / 1_000
      await IdleLog.answer(server.target, `${IdleLog.parent}/${round}`, answer)
      const reaction = (performance.now() - began) / 1_000
      healthy.push(health)
      reacting.push(reaction)
      tell("start", { measured: { healthy: health, reacting: reaction } }, watched())
      await server.stop()
    }
    const inSeconds = (value: number) => value.toFixed(2)
    for (const [title, found] of [["healthy", healthy], ["a hook's answer", reacting]] as const) {
      rows.push([
        `start with ${streams} idle instances to ${title}`,
        "s",
        "",
        Report.range(found, inSeconds),
        "",
        "",
        `< ${startBar}`,
        verdict(Report.median(found) < startBar)
      ])
    }
  }

  const measurements: Record<Name, () => Promise<void>> = {
    fold,
    hooks,
    latency,
    "http-latency": httpLatency,
    asleep,
    start
  }
  try {
    for (const name of chosen) {
      console.log(`measuring ${name}`)
      await measurements[name]()
    }
  } finally {
    console.log(`\n${Report.table(rows)}`)
  }
})

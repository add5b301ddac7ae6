/**
 * What subscriptions cost and bear: healthy receivers beside bad ones, the rate of pushes beside that of a tail and of
 * a bare client, and what a hundred of them read. Receivers are processes of their own on this machine.
 */
import * as os from "node:os"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Arguments from "./Arguments.ts"
import * as Child from "./Child.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import * as Receiver from "./Receiver.ts"
import * as ReceiverCount from "./ReceiverCount.ts"
import * as Rates from "./ReceiverRates.ts"
import * as Reads from "./ReceiverReads.ts"
import * as ReceiverService from "./ReceiverService.ts"
import * as Beside from "./ReceiversBeside.ts"
import * as Report from "./Report.ts"

const names = ["beside", "batched", "single", "reads"] as const
type Name = typeof names[number]

const usage = `npm run bench:subscriptions -- [options]
  --rounds N         rounds of each measurement, 1 to 20 (3)
  --deliveries N     deliveries to healthy receivers of one turn (2000)
  --events N         events that are pushed in batches (100000)
  --single N         events that are pushed one by one (5000)
  --subscriptions N  subscriptions of one stream (100)
  --only NAME,...    of ${names.join(", ")}`

/** How much later healthy receivers may hear with bad ones beside them, and what a push must reach of a tail's rate. */
const besideBar = 2
const batchedBar = 0.5
/** How many rows more than one subscription a hundred may read. */
const readsBar = 3
const batch = 100
const read = 10_000
/** Seconds of one catch-up of a tail. */
const seconds = 2
/** Time to finish what a measurement left, in milliseconds. */
const settling = 500

const readArguments = () => {
  const text = { type: "string" } as const
  const counts = { rounds: text, deliveries: text, events: text, single: text, subscriptions: text }
  const options = { ...counts, only: text, help: { type: "boolean" } } as const
  const { values } = Arguments.read(() => parseArgs({ options }), usage)
  return {
    help: values.help ?? false,
    rounds: Arguments.count({ name: "rounds", text: values.rounds, otherwise: 3, most: 20 }, usage),
    deliveries: Arguments.count(
      { name: "deliveries", text: values.deliveries, otherwise: 2_000, most: 100_000 },
      usage
    ),
    events: Arguments.count({ name: "events", text: values.events, otherwise: 100_000, most: 1_000_000 }, usage),
    single: Arguments.count({ name: "single", text: values.single, otherwise: 5_000, most: 100_000 }, usage),
    subscriptions: Arguments.count(
      { name: "subscriptions", text: values.subscriptions, otherwise: 100, most: 1_000 },
      usage
    ),
    chosen: Arguments.choose({ name: "only", text: values.only }, names, (name) => name, usage)
  }
}

const rows: Array<ReadonlyArray<string>> = [["measurement", "unit", "reference", "subscription", "ratio", "bar", ""]]
const verdict = (isMet: boolean): string => isMet ? "met" : "not met"
const ratio = (value: number): string => value.toFixed(2)
const disturbed = (elsewhere: number | undefined): string =>
  Report.disturbed({ rate: 0, ...(elsewhere === undefined ? {} : { elsewhere }) })

await Child.main(async () => {
  const { chosen, deliveries, events, help, rounds, single, subscriptions } = readArguments()
  if (help) return console.log(usage)
  console.log(`${os.availableParallelism()} cores, load average ${Report.number(os.loadavg()[0] ?? 0)}`)
  const postgres = await PostgresCluster.start()
  const url = await postgres.database("measured")
  const receivers = { measured: await Receiver.start(Beside.measured), besides: await Receiver.start(Beside.besides) }
  const counter = await ReceiverCount.start()
  const targets = [...receivers.measured.targets, ...receivers.besides.targets, counter.target]
  const service = await ReceiverService.start(url, targets)
  const settle = async () => {
    await postgres.checkpoint()
    await delay(settling)
  }

  const beside = async () => {
    const turns: Array<Beside.Turn> = []
    // The first turn would be that of code that is not compiled yet.
    await Beside.turn(service, receivers, { beside: false, deliveries, first: true })
    const before = service.memory()
    for (let round = 0; round < rounds * 2; round++) {
      await settle()
      const turn = await Beside.turn(service, receivers, { beside: round % 2 === 1, deliveries, first: false })
      turns.push(turn)
      const { elsewhere, max, memory, mended, mostMemory, p50, p95, problems, refused } = turn
      console.log(
        `${turn.beside ? "beside bad ones" : "alone"}: ${turn.deliveries} deliveries, p50 ${Report.number(p50)} `
          + `p95 ${Report.number(p95)} max ${Report.number(max)} ms, ${refused} refused, `
          + `memory ${Math.round(memory)} MB`
          + ` (most ${Math.round(mostMemory)})${mended === undefined ? "" : `, mended in ${mended.toFixed(1)} s`}`
          + disturbed(elsewhere)
      )
      for (const problem of problems.slice(0, 10)) console.log(`  PROBLEM ${problem}`)
    }
    const [alone, with20] = [turns.filter(({ beside }) => !beside), turns.filter(({ beside }) => beside)]
    for (const figure of ["p50", "p95"] as const) {
      const ratios = with20.map((turn, i) => turn[figure] / (alone[i]?.[figure] ?? Number.NaN))
      rows.push([
        `append to receiver, alone / beside 20 bad ones, ${figure}`,
        "ms",
        Report.range(alone.map((turn) => turn[figure])),
        Report.range(with20.map((turn) => turn[figure])),
        Report.range(ratios, ratio),
        figure === "p95" ? `≤ ${besideBar}` : "",
        figure === "p95" ? verdict(Report.median(ratios) <= besideBar) : ""
      ])
    }
    const problems = turns.flatMap(({ problems }) => problems)
    rows.push(["lost or out of order", "", "", String(problems.length), "", "0", verdict(problems.length === 0)])
    const most = Math.max(...turns.map(({ mostMemory }) => mostMemory))
    rows.push(["memory of the service, before / most", "MB", before.toFixed(0), most.toFixed(0), ratio(most / before)])
  }

  const batched = async () => {
    await Rates.fill(service, "/batched/0", events)
    const stream = "/batched/0"
    await Rates.push(service, counter, stream, { batch, events })
    const found = { ndjson: Array<number>(), sse: Array<number>(), push: Array<number>(), steady: Array<number>() }
    for (let round = 1; round <= rounds; round++) {
      await settle()
      const ndjson = await Rates.catchUp(service, stream, "ndjson", events, seconds)
      const sse = await Rates.catchUp(service, stream, "sse", events, seconds)
      const pushed = await Rates.push(service, counter, stream, { batch, events })
      found.ndjson.push(ndjson.rate)
      found.sse.push(sse.rate)
      found.push.push(pushed.whole)
      found.steady.push(pushed.steady)
      console.log(
        `round ${round}/${rounds}  batches of ${batch}: NDJSON ${Report.number(ndjson.rate)}, `
          + `SSE ${Report.number(sse.rate)}, `
          + `push ${Report.number(pushed.whole)} events/s (${Report.number(pushed.steady)} from the first push, `
          + `${pushed.requests} pushes, ${Report.number(pushed.cpu)} µs CPU an event; `
          + `tails ${Report.number(ndjson.cpu ?? 0)}, `
          + `${Report.number(sse.cpu ?? 0)})${disturbed(pushed.elsewhere)}`
      )
    }
    for (const format of ["ndjson", "sse"] as const) {
      const ratios = found.push.map((rate, i) => rate / (found[format][i] ?? Number.NaN))
      rows.push([
        `catch-up ${format} / push of ${events} events in ${batch}s`,
        "events/s",
        Report.range(found[format]),
        Report.range(found.push),
        Report.range(ratios, ratio),
        `≥ ${batchedBar}`,
        verdict(Report.median(ratios) >= batchedBar)
      ])
    }
  }

  const oneByOne = async () => {
    const stream = "/single/0"
    await Rates.fill(service, stream, single)
    const warm = await Rates.push(service, counter, stream, { batch: 1, events: single })
    console.log(`a push:\n${warm.head.replaceAll(/^/gm, "  ")}`)
    const found = { loop: Array<number>(), push: Array<number>() }
    for (let round = 1; round <= rounds; round++) {
      await settle()
      const looped = await Rates.loop(service, counter, stream, warm.head)
      const pushed = await Rates.push(service, counter, stream, { batch: 1, events: single })
      found.loop.push(looped.rate)
      found.push.push(pushed.whole)
      console.log(
        `round ${round}/${rounds}  one by one: bare client ${Report.number(looped.rate)}, `
          + `push ${Report.number(pushed.whole)} round trips/s (${Report.number(pushed.cpu)} µs CPU each)`
          + disturbed(looped.elsewhere) + disturbed(pushed.elsewhere)
      )
    }
    const ratios = found.push.map((rate, i) => rate / (found.loop[i] ?? Number.NaN))
    const [looped, pushed] = [Report.range(found.loop), Report.range(found.push)]
    rows.push(["bare undici loop / push one by one", "round trips/s", looped, pushed, Report.range(ratios, ratio)])
  }

  const reads = async () => {
    const one = await Reads.run(service, counter, url, { events: read, subscriptions: 1 })
    const many = await Reads.run(service, counter, url, { events: read, subscriptions })
    for (const each of [one, many]) {
      console.log(
        `${each.subscriptions} subscriptions: caught up on ${read} events in ${each.catchUpSeconds.toFixed(2)} s, `
          + `${each.caughtUp} rows read, ${Report.number(each.catchUpCpu)} µs CPU a delivery; followed as many in `
          + `${each.followSeconds.toFixed(2)} s, ${each.followed} rows, ${Report.number(each.followCpu)} µs`
      )
    }
    for (const figure of ["caughtUp", "followed"] as const) {
      // What one reads may be nothing: live events come from memory.
      const cost = (many[figure] + 1) / (one[figure] + 1)
      const title = figure === "caughtUp" ? "catch-up" : "following"
      rows.push([
        `rows read, ${title}, 1 / ${subscriptions} subscriptions`,
        "rows",
        String(one[figure]),
        String(many[figure]),
        ratio(cost),
        `≤ ${readsBar}`,
        verdict(many[figure] <= Math.max(readsBar * one[figure], readsBar * read))
      ])
    }
  }

  const measurements: Record<Name, () => Promise<void>> = { beside, batched, single: oneByOne, reads }
  try {
    for (const name of chosen) {
      console.log(`measuring ${name}`)
      await measurements[name]()
    }
  } catch (cause) {
    console.error(`The service said:\n${service.output()}`)
    throw cause
  } finally {
    console.log(`\n${Report.table(rows)}`)
  }
})

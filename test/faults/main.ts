/** The long run: every fault many times over. `npm run faults -- --help` says what can be chosen. */
import { parseArgs } from "node:util"
import * as Bounds from "./Bounds.ts"
import * as Deliveries from "./Deliveries.ts"
import * as Durability from "./Durability.ts"
import * as Processors from "./Processors.ts"
import * as Random from "./Random.ts"
import * as Service from "./Service.ts"
import { strikes } from "./Strikes.ts"
import * as World from "./World.ts"

/** Rounds of each fault; those that take long have fewer. */
const usualRounds: Readonly<Record<string, number>> = { "service-killed": 20, "postgres-frozen": 3 }
const otherRounds = 10

interface Result {
  readonly passed: boolean
  readonly told: string
}

type Test = (service: Service.Service, random: Random.Random, rounds: number | undefined) => Promise<Result>

const told = (outcome: World.Outcome): string => {
  const [least, most] = [Math.min(...outcome.recoveries), Math.max(...outcome.recoveries)].map(Math.round)
  const { acknowledged, rounds, tailed, unacknowledged, violations } = outcome
  return `${rounds} rounds, ${acknowledged} acknowledged, ${unacknowledged} recorded without, ${tailed} seen by ` +
    `readers, next acknowledgement after ${least} to ${most} ms, ${violations.length} violations`
}
const toldBounds = ({ connections, growth }: Bounds.Bounds): string =>
  `the service grew by ${Math.round(growth / 1e6)} MB, ${connections} connections`

const tests: Readonly<Record<string, Test>> = {
  ...Object.fromEntries(Object.entries(strikes).map(([name, strike]): [string, Test] => [
    name,
    async (service, random, rounds) => {
      const outcome = await World.run(service, strike, rounds ?? usualRounds[name] ?? otherRounds, random)
      const { violations } = outcome
      for (const { detail, kind, path } of violations.slice(0, 20)) console.error(`  ${kind} ${path}: ${detail}`)
      return { passed: violations.length === 0, told: told(outcome) }
    }
  ])),
  "durability-off": async (service, random) => {
    const outcome = await Durability.lose(service, random)
    return outcome === undefined
      ? { passed: false, told: "acknowledged events were lost, or none were, and the checker found nothing" }
      : { passed: true, told: `${outcome.violations.length} violations were found, as they must be` }
  },
  "paused-tails": async (service) => {
    const bounds = await Bounds.pausedTails(service, 100, 100_000)
    for (const problem of bounds.problems.slice(0, 20)) console.error(`  ${problem}`)
    return { passed: bounds.problems.length === 0, told: toldBounds(bounds) }
  },
  "many-tails": async (service) => {
    const bounds = await Bounds.manyTails(service, 1_000, 500)
    for (const problem of bounds.problems.slice(0, 20)) console.error(`  ${problem}`)
    return { passed: bounds.problems.length === 0, told: toldBounds(bounds) }
  }
}

/** Runs without a service. */
const simulation = "processors"
/** Has services of its own. */
const deliveries = "deliveries"

const usage = `npm run faults -- [--seed N] [--rounds N] [--only NAME]

NAME is one of ${[...Object.keys(tests), simulation, deliveries].join(", ")}.`

const whole = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new Error(`--${name} is a whole number from 1 on`)
}

const options = () => {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean" }
    }
  })
  const names = [...Object.keys(tests), simulation, deliveries]
  if (values.only !== undefined && !names.includes(values.only)) throw new Error(`There is no fault ${values.only}`)
  const seed = whole("seed", values.seed) ?? Date.now() % 1_000_000
  return { ...values, seed, rounds: whole("rounds", values.rounds) }
}

const run = async ({ only, rounds, seed }: ReturnType<typeof options>): Promise<void> => {
  console.log(`seed ${seed}`)
  if (only === undefined || only === simulation) {
    const { passed, told } = Processors.run(seed, rounds ?? Processors.usualRounds, (text) => console.log(`  ${text}`))
    console.log(`${passed ? "ok    " : "FAILED"} ${simulation}: ${told}`)
    if (!passed) process.exitCode = 1
  }
  if (only === undefined || only === deliveries) {
    const progress = (text: string) => console.log(`  ${text}`)
    const { passed, told } = await Deliveries.run(seed, rounds ?? Deliveries.usualRounds, progress)
    console.log(`${passed ? "ok    " : "FAILED"} ${deliveries}: ${told}`)
    if (!passed) process.exitCode = 1
  }
  for (const [name, test] of Object.entries(tests)) {
    if (only !== undefined && only !== name) continue
    const service = await Service.make()
    try {
      await service.start()
      const { passed, told } = await test(service, Random.make(seed), rounds)
      console.log(`${passed ? "ok    " : "FAILED"} ${name}: ${told}`)
      if (!passed) process.exitCode = 1
    } catch (error) {
      process.exitCode = 1
      console.error(`FAILED ${name}:`, error, `\nThe service said:\n${service.output().slice(-3_000)}`)
    } finally {
      await service.close()
    }
  }
}

try {
  const chosen = options()
  if (chosen.help === true) console.log(usage)
  else await run(chosen)
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 2
}

/** The long run of pushes: every phase of a delivery, many times over, with one server and with two. */
import * as DeliverPhases from "./DeliverPhases.ts"
import * as DeliverWorld from "./DeliverWorld.ts"
import * as Random from "./Random.ts"

/** Strikes in each phase without `--rounds`; a second server takes over in as many. */
export const usualRounds = 5

const told = (outcome: DeliverWorld.Outcome): string => {
  const { delivered, problems, pushes, recoveries, repeated, replies, strikes, violations } = outcome
  const [least, most] = [Math.min(...recoveries), Math.max(...recoveries)].map(Math.round)
  return `${strikes} strikes, ${pushes} pushes of ${delivered} events, ${repeated} again, ` +
    `${replies} events of answers, ` +
    `next push after ${least} to ${most} ms, ${violations.length} violations, ${problems.length} problems`
}

/** Strikes in all phases, in an order of its own in each round, and tells what was found. */
export const run = async (
  seed: number,
  rounds: number,
  progress: (text: string) => void
): Promise<{ readonly passed: boolean; readonly told: string }> => {
  // What was started is known to be ended where this process is.
  const interrupt = () => process.exit(130)
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt)
  const random = Random.make(seed)
  const found: Array<string> = []
  let passed = true
  for (const standby of [false, true]) {
    const phases = Array.from({ length: rounds }, () => shuffled(random)).flat()
    const outcome = await DeliverWorld.run({ phases, random, standby, progress }).catch((error: unknown) => {
      console.error(error)
    })
    const name = standby ? "two servers" : "one server"
    if (outcome === undefined) return { passed: false, told: `${name} did not come through` }
    for (const { detail, kind, slug } of outcome.violations.slice(0, 20)) progress(`${kind} ${slug}: ${detail}`)
    for (const problem of outcome.problems.slice(0, 20)) progress(problem)
    passed &&= outcome.violations.length === 0 && outcome.problems.length === 0
    found.push(`${name}: ${told(outcome)}`)
  }
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt)
  return { passed, told: found.join("; ") }
}

const shuffled = (random: Random.Random): ReadonlyArray<DeliverPhases.Phase> => {
  const left = [...DeliverPhases.phases]
  const order: Array<DeliverPhases.Phase> = []
  while (left.length > 0) order.push(...left.splice(random.whole(0, left.length - 1), 1))
  return order
}

/**
 * The test of the test: Postgres acknowledges what is not on disk, and is killed. A checker that finds nothing then
 * would find nothing ever.
 */
import type { Random } from "./Random.ts"
import type { Service } from "./Service.ts"
import { forget, strikes } from "./Strikes.ts"
import type { Outcome } from "./World.ts"
import * as World from "./World.ts"

/** Kills after which nothing was lost; one should do. */
const mostRounds = 5

/** What the checker found, in the first round in which acknowledged events were lost. None: it found nothing. */
export const lose = async (service: Service, random: Random): Promise<Outcome | undefined> => {
  await forget(service, random)
  const { "postgres-killed": kill } = strikes
  if (kill === undefined) throw new Error("there is no such fault")
  for (let round = 0; round < mostRounds; round++) {
    const outcome = await World.run(service, kill, 1, random, true)
    if (outcome.violations.some((violation) => violation.kind === "lost")) return outcome
  }
  return undefined
}

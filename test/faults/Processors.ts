/** The long simulation of processors: needs no service and no real time, so nothing but the seed decides what happens. */
import * as Simulation from "../processor/simulation/Simulation.ts"

/** Schedules without `--rounds`. */
export const usualRounds = 200_000
/** Schedules that are run between two words about the progress. */
const part = 2_000

/** Runs schedules until one breaks a promise. Each part has a seed of its own, which finds the same again. */
export const run = (
  seed: number,
  rounds: number,
  progress: (text: string) => void
): { readonly passed: boolean; readonly told: string } => {
  const started = performance.now()
  for (let done = 0; done < rounds; done += part) {
    const found = Simulation.search({ seed: seed + done / part, rounds: Math.min(part, rounds - done) })
    if (found !== undefined) return { passed: false, told: Simulation.tell(found) }
    const sofar = Math.min(done + part, rounds)
    const perSecond = Math.round(sofar / (performance.now() - started) * 1_000)
    progress(`${sofar} of ${rounds} schedules, ${perSecond} a second, seed ${seed + done / part}`)
  }
  return { passed: true, told: `${rounds} schedules kept every promise` }
}

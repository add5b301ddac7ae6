/**
 * Processors over a virtual clock: random events, crashes at every step, two owners, signals that come late, in another
 * order or not at all. And the simulation itself: whatever is broken on purpose, it must find.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Simulation from "./simulation/Simulation.ts"
import * as Variants from "./simulation/Variants.ts"

/** In CI; `npm run faults -- --only processors` runs many more. */
const rounds = 3_000
/** So many at a time, to tell of the progress. */
const parts = 6

describe("Simulation", () => {
  for (let part = 1; part <= parts; part++) {
    it(`keeps the promises of processors, ${part} of ${parts}`, () => {
      const found = Simulation.search({ seed: part, rounds: rounds / parts })
      assert.isUndefined(found, found === undefined ? "" : Simulation.tell(found))
    })
  }

  for (const [name, variant] of Object.entries(Variants.broken)) {
    it(`finds what is broken: ${name}`, () => {
      const found = Simulation.search({ seed: 1, rounds, variant, shrinks: false })
      assert.include(variant.caught, found?.invariant, found === undefined ? "nothing was found" : Simulation.tell(found))
    })
  }
})

/** The short run of pushes: the service dies in each phase of a delivery, and another server takes over. */
import { assert, describe, it } from "@effect/vitest"
import { phases } from "./DeliverPhases.ts"
import * as DeliverWorld from "./DeliverWorld.ts"
import * as Random from "./Random.ts"

const judge = (outcome: DeliverWorld.Outcome, strikes: number): void => {
  assert.deepStrictEqual(outcome.violations.slice(0, 10), [])
  assert.deepStrictEqual(outcome.problems.slice(0, 10), [])
  assert.strictEqual(outcome.strikes, strikes)
  assert.isAbove(outcome.delivered, 40 * strikes)
  assert.isAbove(outcome.replies, strikes)
}

/** Those in which most can go wrong, so that the short run is short; `npm run faults -- --only deliveries` has all. */
const short = ["connected", "half-body", "taken", "half-answer", "refused", "cursor", "committing", "long"]
const chosen = (names: ReadonlyArray<string>) => phases.filter(({ name }) => names.includes(name))
/** A busy machine takes its time for each start, in milliseconds. */
const timeout = 180_000

describe("Deliveries", () => {
  it("come at least once, in order, under one name, and their answers once, whenever the service dies", async () => {
    judge(await DeliverWorld.run({ phases: chosen(short), random: Random.make(1) }), short.length)
  }, timeout)

  it("are taken over by another server", async () => {
    judge(await DeliverWorld.run({ phases: chosen(["taken"]), random: Random.make(2), standby: true }), 1)
  }, timeout)
})

/** The short run: each fault once or a few times on one service, under load. The long one is `npm run faults`. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Bounds from "./Bounds.ts"
import * as Durability from "./Durability.ts"
import * as Random from "./Random.ts"
import * as Service from "./Service.ts"
import { strikes } from "./Strikes.ts"
import * as World from "./World.ts"

const random = Random.make(1)
const rounds: Readonly<Record<string, number>> = { "service-killed": 3, "connections-cut": 3 }

describe("Faults", () => {
  let service: Service.Service
  beforeAll(async () => {
    service = await Service.make()
    await service.start()
  })
  afterAll(() => service.close())

  for (const [name, strike] of Object.entries(strikes)) {
    it(`${name}: nothing acknowledged is lost, doubled, moved or shown out of order`, async () => {
      const outcome = await World.run(service, strike, rounds[name] ?? 1, random)
      assert.deepStrictEqual(outcome.violations.slice(0, 10), [])
      assert.isAbove(outcome.acknowledged, 300)
      assert.isAbove(outcome.tailed, outcome.acknowledged)
    })
  }

  it("paused tails cost the service little, and resume without a gap", async () => {
    // So many that what the kernel takes is a small part: without a bound the service grows by half a gigabyte.
    const { problems } = await Bounds.pausedTails(service, 40, 60_000)
    assert.deepStrictEqual(problems.slice(0, 10), [])
  })

  it("tails of one stream see every event, however many they are", async () => {
    const { problems } = await Bounds.manyTails(service, 200, 50)
    assert.deepStrictEqual(problems.slice(0, 10), [])
  })

  it("finds out that acknowledged events are lost once Postgres does not wait for the disk", async () => {
    const careless = await Service.make()
    try {
      await careless.start()
      assert.isDefined(await Durability.lose(careless, random))
    } finally {
      await careless.close()
    }
  })
})

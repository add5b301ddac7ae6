/** A service that is killed in the middle of what its transformers do: each match becomes its events once, in order. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Fact from "./Fact.ts"
import * as Random from "./Random.ts"
import * as Service from "./Service.ts"

/** How often it is killed, and the events of each round. */
const rounds = 4
const perRound = 900
const from = "/transforming/from"
const to = "/transforming/to"

const Made = Schema.fromJsonString(Schema.Struct({
  payload: Schema.Struct({ n: Schema.Int, part: Schema.Int }),
  cause: Schema.Struct({ streamPath: Schema.String, offset: Schema.Int, processor: Schema.String })
}))
const decode = Schema.decodeUnknownSync(Made)

const urlOf = ({ port }: Service.Service, stream: string) => `http://127.0.0.1:${port}/api/streams${stream}`

const append = async (service: Service.Service, body: unknown): Promise<void> => {
  const headers = { "content-type": "application/json" }
  const { status } = await fetch(urlOf(service, from), { method: "POST", headers, body: JSON.stringify(body) })
  assert.strictEqual(status, 201)
}

/** All that was made on a stream, in order. */
const made = async (service: Service.Service, stream: string) => {
  const text = await (await fetch(`${urlOf(service, stream)}?live=false&types=made&format=ndjson`)).text()
  return text.split("\n").filter((line) => line !== "").map((line) => decode(line))
}

const Line = Schema.fromJsonString(Schema.Struct({ offset: Schema.Int }))
const decodeLine = Schema.decodeUnknownSync(Line)
/** The offset of the last event of a stream: asked often, so nothing else is read. */
const head = async (service: Service.Service, stream: string): Promise<number> =>
  decodeLine(await (await fetch(`${urlOf(service, stream)}?live=false&last=1&format=ndjson`)).text()).offset

/** Every third becomes two. */
const configure = (slug: string, target: object) => ({
  type: "transformer/configured",
  payload: {
    slug,
    matcher: "type = 'asked' and payload.n % 3 = 0",
    transform: "[0, 1].{ 'type': 'made', 'payload': { 'n': $$.payload.n, 'part': $ } }",
    ...target
  }
})

describe("Transformers", () => {
  let service: Service.Service
  beforeAll(async () => {
    service = await Service.make()
    await service.start()
  }, 90_000)
  afterAll(() => service.close())

  it("make of each match what it becomes, once and in order, though the service dies in the middle", async () => {
    const random = Random.make(1)
    await append(service, [configure("here", {}), configure("there", { streamPath: to })])
    for (let round = 0; round < rounds; round++) {
      const first = round * perRound
      const numbers = Array.from({ length: perRound }, (_, i) => first + i)
      await append(service, numbers.map((n) => ({ type: "asked", payload: { n } })))
      // Somewhere in the middle: after how many of them is a matter of luck.
      const before = 2 * first / 3
      const enough = before + random.whole(1, perRound / 6)
      let seen = 0
      // There is nothing else but `stream/initialized` on that stream.
      await Fact.until(`${enough} events`, async () => (seen = (await head(service, to)) - 1) >= enough)
      await service.kill()
      assert.isBelow(seen, before + 2 * perRound / 3)
      await service.start()
    }
    const count = 2 * rounds * perRound / 3
    // Beside them there are `stream/initialized`, and on their own stream both configurations and what was asked.
    for (const [stream, others] of [[from, 3 + rounds * perRound], [to, 1]] as const) {
      await Fact.until(`all events on ${stream}`, async () => (await head(service, stream)) >= others + count)
    }
    // A last one passes behind all that might come twice.
    await append(service, { type: "asked", payload: { n: rounds * perRound } })
    for (const [stream, others] of [[from, 4 + rounds * perRound], [to, 1]] as const) {
      await Fact.until(`the last on ${stream}`, async () => (await head(service, stream)) >= others + count + 2)
      const all = await made(service, stream)
      const expected = Array.from({ length: count + 2 }, (_, i) => ({ n: 3 * Math.floor(i / 2), part: i % 2 }))
      assert.deepStrictEqual(all.map(({ payload }) => payload), expected)
      assert.isTrue(all.every(({ cause }) => cause.streamPath === from && cause.processor === "transformer"))
    }
  }, 120_000)
})

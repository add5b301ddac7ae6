/** Two servers on one Postgres, the one that fires being killed again and again: each due time is met once, in order. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as EmbeddedPostgres from "../../../src/log/EmbeddedPostgres.ts"
import * as Fact from "../../faults/Fact.ts"
import * as Schedules from "../../faults/Schedules.ts"
import * as Service from "../../faults/Service.ts"
import { dataFolder } from "../../TestPostgres.ts"

const everyMillis = 100
/** Each schedule with the stream that it is on and the one that it appends to. */
const schedules = Array.from({ length: 12 }, (_, i) => ({
  slug: `s${i}`,
  stream: `/schedules/${i % 3}`,
  target: i % 2 === 0 ? `/schedules/${i % 3}` : `/targets/${i}`
}))

layer(NodeServices.layer, { excludeTestServices: true, timeout: "60 seconds" })("Schedules of two servers", (it) => {
  it.effect("are met once, whoever is killed", () =>
    Effect.gen(function*() {
      const { credentials } = yield* EmbeddedPostgres.make({ dataDir: yield* dataFolder })
      const { host, password, port, username } = credentials
      const url = `postgres://${username}:${Redacted.value(password)}@${host}:${port}/postgres`
      const service = Effect.acquireRelease(
        Effect.promise(() => Service.make(url)),
        (each) => Effect.promise(() => each.close())
      )
      const servers = [yield* service, yield* service] as const
      yield* Effect.promise(async () => {
        const met = ({ port }: Service.Service, { slug, stream, target }: typeof schedules[number]) =>
          Schedules.met(port, stream, target, slug)
        /** How many due times the schedule that met fewest has met: asked often, so each stream is read once. */
        const firstOf = async ({ port }: Service.Service) => {
          const streams = [...new Set(schedules.map(({ stream }) => stream))]
          const told = (await Promise.all(streams.map((stream) => Schedules.told(port, stream)))).flat()
          return Math.min(...schedules.map(({ slug }) => told.filter((each) => each === slug).length))
        }
        await servers[0].start()
        for (const { slug, stream, target } of schedules) {
          await Schedules.configure(servers[0].port, stream, {
            slug,
            schedule: { every: everyMillis },
            catchUp: "all",
            append: { streamPath: target, event: { type: "rang", payload: { slug } } }
          })
        }
        for (let round = 0; round < 2; round++) {
          const [from, to] = round % 2 === 0 ? servers : [servers[1], servers[0]]
          await to.start()
          const before = await firstOf(to)
          await Fact.until("more due times", async () => await firstOf(to) > before + 5)
          await from.kill()
          const killed = await firstOf(to)
          await Fact.until("due times that the other one met", async () => await firstOf(to) > killed + 50)
        }
        const all = await Promise.all(schedules.map((each) => met(servers[0], each)))
        all.forEach((found, i) => {
          const [word = ""] = found.words
          const { slug, stream, target } = schedules[i] ?? { slug: "", stream: "", target: "" }
          const source = stream === target ? undefined : stream
          const promised = Schedules.promised(Date.parse(word.slice(0, 24)), everyMillis, found, slug, source)
          // Its two streams are read one after the other: what is fired between is in one of them.
          const common = Math.min(found.events.length, found.words.length)
          assert.deepStrictEqual(found.events, promised.events.slice(0, found.events.length))
          assert.deepStrictEqual(found.words, promised.words.slice(0, found.words.length))
          assert.isAtLeast(common, 110)
        })
      })
    }), { timeout: 120_000 })
})

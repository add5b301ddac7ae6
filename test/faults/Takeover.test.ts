/** Two servers share a processor: one owns it, the other waits. Whatever happens to them, each question is answered once. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import * as EmbeddedPostgres from "../../src/log/EmbeddedPostgres.ts"
import { dataFolder } from "../TestPostgres.ts"
import * as Fact from "./Fact.ts"
import * as Service from "./Service.ts"

const streams = ["/answering/a", "/answering/b", "/answering/c"]
/** How long the owner is frozen, in milliseconds: twice its lease. */
const frozenMillis = 10_000
/** Within this the other one must have answered, in milliseconds. */
const takeoverMillis = 8_000

const Answer = Schema.fromJsonString(
  Schema.Struct({ payload: Schema.Struct({ question: Schema.Int, by: Schema.Int }) })
)
const decode = Schema.decodeUnknownSync(Answer)

const urlOf = (service: Service.Service, question: number) =>
  `http://127.0.0.1:${service.port}/api/streams${streams[question % streams.length]}`

const ask = async (service: Service.Service, from: number, to: number): Promise<void> => {
  for (let question = from; question < to; question++) {
    const body = JSON.stringify({ type: "asked", payload: { question } })
    const headers = { "content-type": "application/json" }
    const { status } = await fetch(urlOf(service, question), { method: "POST", headers, body })
    assert.strictEqual(status, 201)
  }
}

/** All answers that are in the log, in the order of the questions. */
const answers = async (service: Service.Service) => {
  const all = await Promise.all(streams.map(async (_, i) => {
    const text = await (await fetch(`${urlOf(service, i)}?live=false&types=answered&format=ndjson`)).text()
    return text.split("\n").filter((line) => line !== "").map((line) => decode(line).payload)
  }))
  return all.flat().sort((a, b) => a.question - b.question)
}

const answered = async (service: Service.Service, count: number) => {
  await Fact.until(`${count} answers`, async () => (await answers(service)).length >= count)
  return answers(service)
}

/** The URL of a Postgres that two services share. */
const database = Effect.gen(function*() {
  const { credentials } = yield* EmbeddedPostgres.make({ dataDir: yield* dataFolder })
  const { host, password, port, username } = credentials
  return `postgres://${username}:${Redacted.value(password)}@${host}:${port}/postgres`
})

/** A service that shares a database and runs the processor. */
const service = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(() => Service.make(url, "test/faults/Answering.ts")),
    (each) => Effect.promise(() => each.close())
  )

layer(NodeServices.layer, { excludeTestServices: true, timeout: "60 seconds" })("Takeover", (it) => {
  it.effect("another server answers within 8 seconds of a freeze, and the frozen one's commits are refused", () =>
    Effect.gen(function*() {
      const url = yield* database
      const owner = yield* service(url)
      const standby = yield* service(url)
      yield* Effect.promise(async () => {
        await owner.start()
        await ask(owner, 0, 30)
        const first = await answered(owner, 30)
        assert.deepStrictEqual(new Set(first.map(({ by }) => by)), new Set([owner.pid()]))
        await standby.start()

        await ask(standby, 30, 60)
        // In the middle of its hooks.
        await answered(standby, 33)
        process.kill(owner.pid(), "SIGSTOP")
        const frozen = performance.now()
        await ask(standby, 60, 90)
        const later = await answered(standby, 90)
        assert.isBelow(performance.now() - frozen, takeoverMillis)
        assert.isTrue(later.slice(60).every(({ by }) => by === standby.pid()))

        await Fact.until("the end of the freeze", () => performance.now() - frozen > frozenMillis)
        process.kill(owner.pid(), "SIGCONT")
        await Fact.until("the end of its work", () => owner.output().includes("answering stops:"))
        await ask(owner, 90, 120)
        const all = await answered(owner, 120)
        assert.deepStrictEqual(all.map(({ question }) => question), Array.from({ length: 120 }, (_, i) => i))
        assert.isTrue(all.slice(90).every(({ by }) => by === standby.pid()))
      })
    }), { timeout: 120_000 })

  it.effect("a server that was killed is followed by the other, again and again", () =>
    Effect.gen(function*() {
      const url = yield* database
      const servers = [yield* service(url), yield* service(url)] as const
      yield* Effect.promise(async () => {
        await servers[0].start()
        for (let round = 0; round < 4; round++) {
          const [from, to] = round % 2 === 0 ? servers : [servers[1], servers[0]]
          await to.start()
          await ask(to, round * 30, round * 30 + 30)
          await answered(to, round * 30 + 5)
          await from.kill()
          const killed = performance.now()
          await answered(to, round * 30 + 30)
          // Its lease would hold longer: that it is gone is seen by its session.
          assert.isBelow(performance.now() - killed, 4_000)
        }
        const [survivor] = servers
        const all = await answered(survivor, 120)
        assert.deepStrictEqual(all.map(({ question }) => question), Array.from({ length: 120 }, (_, i) => i))
      })
    }), { timeout: 120_000 })
})

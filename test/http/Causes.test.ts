/** `GET /api/causes/{path}` as the contract has it. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { maxCauses } from "../../src/domain/Bounds.ts"
import { Event } from "../../src/domain/Event.ts"
import { StreamError, Unavailable } from "../../src/domain/StreamError.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Causes } from "../../src/log/Causes.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { append, breakerOff, event, events, lines, parse } from "../log/suite/Fixture.ts"
import type { Asking } from "./TestServer.ts"
import { layer as server, layerOver, TestServer } from "./TestServer.ts"

const ask = (path: string, asking?: Asking) => Effect.flatMap(TestServer, (server) => server.ask(path, asking))

/** Asks for what is refused, as a problem document of the contract. */
const problem = (path: string) =>
  Effect.map(ask(path), ({ headers, status, text }) => {
    assert.strictEqual(headers["content-type"], "application/problem+json", text)
    return { status, error: Schema.decodeSync(Schema.fromJsonString(StreamError))(text) }
  })

const decodeEvents = Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(Schema.Array(Event))))

const a = StreamPath.make("/a")
const b = StreamPath.make("/b/c")

/** Appends one event that answers another one. */
const answer = Effect.fnUntraced(function*(path: StreamPath, type: string, payload: string, to?: Event) {
  const store = yield* EventStore
  const cause = to && { streamPath: to.streamPath, offset: to.offset, hops: 0 }
  const [recorded] = parse((yield* store.append({ path, events: [event(type, payload)], cause })).lines)
  return yield* Effect.fromNullishOr(recorded)
})

layer(server())("causes", (it) => {
  it.effect("are a JSON array, NDJSON or YAML, with every number as it was spelled", () =>
    Effect.gen(function*() {
      const asked = yield* answer(a, "asked", "1.0")
      const thought = yield* answer(b, "thought", "2.0", asked)
      const answered = yield* answer(a, "answered", "1e400", thought)
      const recorded = [...(yield* lines(a)), ...(yield* lines(b))]
      const chain = [asked, thought, answered].map(({ type }) => recorded.find((line) => line.includes(`"${type}"`)))
      const at = `/api/causes/a?offset=${answered.offset}`
      const json = yield* ask(at)
      assert.deepStrictEqual([json.status, json.headers["content-type"]], [200, "application/json"])
      assert.isUndefined(json.headers["millstream-more"])
      assert.strictEqual(json.text, `[${chain.join(",\n")}]`)
      assert.deepStrictEqual((yield* ask(`${at}&format=json`)).text, json.text)
      const ndjson = yield* ask(`${at}&format=ndjson`)
      assert.strictEqual(ndjson.headers["content-type"], "application/x-ndjson")
      assert.strictEqual(ndjson.text, chain.map((line) => `${line}\n`).join(""))
      assert.include(ndjson.text, "\"payload\":1e400")
      const yaml = yield* ask(`${at}&format=yaml`)
      assert.include(yaml.headers["content-type"], "application/yaml")
      assert.deepStrictEqual(yaml.text.match(/^(?:---|type: .*)$/gm), [
        "---",
        "type: asked",
        "---",
        "type: thought",
        "---",
        "type: answered"
      ])
      for (const pretty of [yield* ask(`${at}&pretty`), yield* ask(at, { headers: { "user-agent": "curl/8" } })]) {
        assert.include(pretty.text, "\n    \"payload\": 1.0,\n")
      }

      const typesOf = Effect.fnUntraced(function*(query: string) {
        const { text } = yield* ask(`/api/causes/${query}`)
        return decodeEvents(text).map(({ type }) => type)
      })
      const clean = yield* answer(b, "clean", "{}")
      assert.deepStrictEqual(yield* typesOf(`b%2Fc?offset=${clean.offset}`), ["clean"])
      assert.deepStrictEqual(yield* typesOf(`b/c?offset=${clean.offset}&effects`), [])
      yield* answer(a, "led", "{}", clean)
      assert.deepStrictEqual(yield* typesOf(`%2Fb%2Fc?effects=true&offset=${clean.offset}`), ["led"])
      assert.deepStrictEqual(yield* typesOf(`b/c?effects=false&offset=${clean.offset}`), ["clean"])
      assert.deepStrictEqual(yield* typesOf("?offset=1"), ["stream/initialized"])
    }))

  it.effect("say so where there are more", () =>
    Effect.gen(function*() {
      const path = StreamPath.make("/many")
      yield* append(path, breakerOff)
      const first = yield* answer(path, "first", "{}")
      const cause = { streamPath: path, offset: first.offset, hops: 0 }
      const store = yield* EventStore
      const effects = ask(`/api/causes/many?effects&format=ndjson&offset=${first.offset}`)
      for (const [count, more] of [[maxCauses, undefined], [1, "true"]] as const) {
        yield* store.append({ path, events: events(count), cause })
        const { headers, text } = yield* effects
        assert.deepStrictEqual([text.trimEnd().split("\n").length, headers["millstream-more"]], [maxCauses, more])
      }
    }))

  it.effect("are refused where there is no such event, or the question makes no sense", () =>
    Effect.gen(function*() {
      yield* append(a, event("came"))
      for (const path of ["/api/causes/a?offset=9999", "/api/causes/never?offset=1&effects"]) {
        const { error, status } = yield* problem(path)
        assert.deepStrictEqual([status, error._tag], [404, "NotFound"], path)
      }
      const missing = yield* problem("/api/causes/a")
      assert.deepStrictEqual([missing.status, missing.error._tag], [400, "InvalidRequest"])
      assert.include(missing.error.message, "`offset`")
      const wrong = ["0", "-1", "1.5", "x", "", "99999999999999999999", "1&offset=2", "1&format=sse", "1&effect"]
      for (const query of wrong) {
        const { error, status } = yield* problem(`/api/causes/a?offset=${query}`)
        assert.deepStrictEqual([status, error._tag], [400, "InvalidRequest"], query)
      }
      assert.include((yield* problem("/api/causes/a/**?offset=1")).error.message, "/**")
      assert.strictEqual((yield* problem("/api/causes/a//b?offset=1")).error._tag, "InvalidPath")
      assert.strictEqual((yield* ask("/api/causes/a?offset=1", { method: "POST" })).status, 405)
    }))
})

const away = Effect.fail(new Unavailable({ reason: "The database is away", retryAfterSeconds: 2 }))
const unwell = Layer.merge(
  MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer)),
  Layer.succeed(Causes, { chain: () => away, effects: () => away })
)

layer(layerOver(unwell))("causes of a log that is away", (it) => {
  it.effect("are 503", () =>
    Effect.gen(function*() {
      for (const query of ["offset=1", "offset=1&effects"]) {
        const { error, status } = yield* problem(`/api/causes/a?${query}`)
        assert.deepStrictEqual([status, error._tag], [503, "Unavailable"])
      }
    }))
})

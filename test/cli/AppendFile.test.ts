import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as FakeServer from "../client/FakeServer.ts"
import * as Cli from "./Cli.ts"

layer(NodeServices.layer, { excludeTestServices: true })("append --ndjson", (it) => {
  /** A stream with this breaker that remembers keys, and counts what it took since the last resumption. */
  const stream = (breaker: Record<string, unknown>, pauseAfter = Infinity) => {
    const keys: Array<string> = []
    const batches: Array<number> = []
    const answer: FakeServer.Answer = (response, request) => {
      const at = "2026-01-02T03:04:05.678Z"
      const state = { path: "/games", head: 1, createdAt: at, updatedAt: at, metadata: {}, paused: null }
      if (request.method === "GET") {
        return FakeServer.json(200, { ...state, circuitBreaker: breaker })(response, request)
      }
      const events: ReadonlyArray<{ idempotencyKey: string }> = JSON.parse(request.body)
      const known = events.filter(({ idempotencyKey }) => keys.includes(idempotencyKey)).length
      if (known === events.length) return FakeServer.json(200, [])(response, request)
      if (known > 0) {
        return FakeServer.problem(409, "IdempotencyConflict", { idempotencyKey: "some", offset: 2 })(response, request)
      }
      if (keys.length >= pauseAfter) {
        const paused = { streamPath: "/games", reason: "circuit breaker", pausedAt: at }
        return FakeServer.problem(423, "StreamPaused", paused)(response, request)
      }
      keys.push(...events.map(({ idempotencyKey }) => idempotencyKey))
      batches.push(events.length)
      FakeServer.json(201, [])(response, request)
    }
    return { answer, batches, keys }
  }
  const off = { enabled: false }
  const lines = (count: number) =>
    Array.from({ length: count }, (_, n) => `{"type":"ping","payload":{"n":${n}}}\n`).join("")
  const go = Effect.fnUntraced(function*(answer: FakeServer.Answer, args: ReadonlyArray<string>, stdin?: string) {
    const server = yield* FakeServer.make(Array.from({ length: 100 }, () => answer))
    return yield* Cli.run(
      ["append", "/games", "--ndjson", ...args],
      { env: { MILLSTREAM_URL: server.baseUrl }, ...(stdin === undefined ? {} : { stdin }) }
    )
  })

  it.effect("sends batches and, run again, records nothing twice", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const file = yield* files.makeTempFileScoped()
      const { answer, batches, keys } = stream(off)
      yield* files.writeFileString(file, `${lines(1_500)}\n`)
      const first = yield* go(answer, [file])
      assert.strictEqual(first.code, 0)
      assert.match(first.stderr, /^1500 events recorded · /)
      assert.deepStrictEqual(batches, [1_000, 500])
      assert.match(keys[0] ?? "", /^ndjson\/[0-9a-f]{16}\/1$/)
      // The file has grown, so that a batch is known in part.
      yield* files.writeFileString(file, lines(1_700))
      const second = yield* go(answer, [file])
      assert.strictEqual(second.code, 0)
      assert.match(second.stderr, /^200 events recorded, 1500 known already/)
      assert.strictEqual(keys.length, 1_700)
      assert.strictEqual(new Set(keys).size, 1_700)
    }))

  it.effect("stays below the refill of the circuit breaker", () =>
    Effect.gen(function*() {
      const { answer, batches } = stream({ enabled: true, capacity: 60, refillPerSecond: 200 })
      const started = Date.now()
      const ended = yield* go(answer, ["-"], lines(90))
      assert.strictEqual(ended.code, 0)
      assert.match(ended.stderr, /allows 180 events\/s/)
      assert.deepStrictEqual(batches, [30, 30, 30])
      assert.isAtLeast(Date.now() - started, 90 / 180 * 1_000)
    }))

  it.effect("says how far it came when the stream is paused, and goes on there", () =>
    Effect.gen(function*() {
      const { answer, keys } = stream(off, 1_000)
      const stopped = yield* go(answer, ["-"], lines(1_200))
      assert.strictEqual(stopped.code, 1)
      assert.match(stopped.stderr, /paused \(circuit breaker\).*append \/games stream\/resumed, then this command again/)
      assert.match(stopped.stderr, /1000 events are recorded, up to line 1000\n$/)
      assert.strictEqual(keys.length, 1_000)
    }))

  it.effect("names the wrong line, and what was recorded with another content", () =>
    Effect.gen(function*() {
      const { answer, keys } = stream(off)
      const wrong = yield* go(answer, ["-"], `${lines(2)}{"data":1}\n${lines(1)}`)
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.stderr, /Line 3 is no event/)
      assert.strictEqual(keys.length, 2)
      const conflict: FakeServer.Answer = (response, request) =>
        request.method === "GET"
          ? answer(response, request)
          : FakeServer.problem(409, "IdempotencyConflict", { idempotencyKey: "k", offset: 7 })(response, request)
      const other = yield* go(conflict, ["-", "--name", "mine"], lines(2))
      assert.match(other.stderr, /Line 1 was recorded with another content \(offset 7\).*--name/)
    }))
})

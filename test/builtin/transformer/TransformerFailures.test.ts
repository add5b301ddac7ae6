/** What transformers say of their failures: enough to find what is wrong, and never more than they make. */
import { assert, layer } from "@effect/vitest"
import { Effect, Metric, Schema } from "effect"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import { ErrorOccurred, Paused, Resumed } from "../../../src/domain/ControlEvent.ts"
import { Offset } from "../../../src/domain/Event.ts"
import { propose } from "../../../src/domain/EventText.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { append, pass, payloads, quiet, read, written } from "../../processor/Workshop.ts"
import { arrived, configure, numbersOf, remove, scripted, tick, ticks, work } from "./Transforming.ts"

const path = StreamPath.make("/s")
const decodeError = Schema.decodeUnknownSync(ErrorOccurred.payload)

/** Offset and count of each failure that a transformer told. */
const told = Effect.map(payloads(path, "stream/error-occurred"), (all) =>
  all.map((payload) => decodeError(payload)).filter(({ source }) => source === "transformer")
    .map(({ count, offset }) => [offset, count]))

const counted = (id: string) =>
  Effect.map(Metric.snapshot, (all) =>
    all.flatMap((each) => each.id === id && each.type === "Counter" ? [Number(each.state.count)] : []).at(0) ?? 0)

const counts = Effect.all([
  counted("millstream_transformations_total"),
  counted("millstream_transformation_failures_total")
])

layer(Jsonata.layer)("a transformer", (it) => {
  it.effect("says of each event that it fails at what is wrong, once, and goes on", () =>
    Effect.gen(function*() {
      const matcher = "type = 'tick' and $lowercase(payload.matches) = 'yes'"
      yield* append("/s", configure("x", matcher, "$eval(payload.make)"))
      const cases: ReadonlyArray<readonly [matches: Schema.Json, make: string, says: string]> = [
        [7, "1", "The matcher failed"],
        ["yes", "$error('broken')", "broken"],
        ["yes", "nowhere", "The transform made nothing"],
        ["yes", "{ 'data': 1 }", "no event: Expected no excess property at [\"data\"]"],
        ["yes", "{ 'type': 'stream/pausd' }", "stream/paused"],
        ["yes", "{ 'type': 'stream/initialized', 'payload': { 'path': '/s' } }", "Only the server appends"],
        ["yes", "{ 'type': 'stream/paused', 'payload': { 'by': 'circuit-breaker' } }", "Only the server says who"],
        ["yes", "{ 'type': 'transformer/configured', 'payload': { 'slug': 'y' } }", "does not fit"],
        ["yes", "{ 'type': 'a', 'payload': $pad('', 2000000, 'x') }", ""],
        ["yes", "[1..101].{ 'type': 'a' }", "101 events"]
      ]
      for (const [matches, make] of cases) {
        yield* append("/s", { type: "tick", payload: { matches, make } })
        yield* append("/s", { type: "tick", payload: { matches: "YES", make: "{ 'type': 'fine' }" } })
      }
      yield* arrived("/s", "fine", cases.length)
      const errors = yield* arrived("/s", "stream/error-occurred", cases.length)
      const ticks = (yield* read("/s")).filter(({ type }) => type === "tick")
      for (const [i, { cause, idempotencyKey, payload }] of errors.entries()) {
        const offset = ticks[2 * i]?.offset
        const { message, ...about } = decodeError(payload)
        assert.deepStrictEqual([about["source"], about["slug"], about["offset"]], ["transformer", "x", offset])
        assert.strictEqual(idempotencyKey, `transformer/x/${offset}/error`)
        assert.deepStrictEqual([cause?.offset, cause?.processor], [offset, "transformer"])
        assert.include(message, cases[i]?.[2] ?? "")
      }
      assert.strictEqual((yield* payloads("/s", "stream/error-occurred")).length, cases.length)
    }).pipe(work()))

  it.effect("tells a run of failures at its beginning, and how many there were once it makes something again", () =>
    Effect.gen(function*() {
      const before = yield* counts
      const make = "payload.n > 0 ? $error('no') : { 'type': 'tock', 'payload': payload }"
      yield* append("/s", configure("x", "type = 'tick'", make), ...ticks(1, 30), tick(0))
      yield* arrived("/s", "stream/error-occurred", 2)
      assert.deepStrictEqual(yield* told, [[3, undefined], [4, 29]])
      yield* append("/s", tick(1), tick(0))
      yield* arrived("/s", "tock", 2)
      assert.strictEqual((yield* told).length, 3)
      yield* quiet
      const after = yield* counts
      assert.deepStrictEqual(after.map((count, i) => count - (before[i] ?? 0)), [2, 31])
    }).pipe(work()))

  it.effect("says so where a client has used its key for something else", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }"))
      yield* append("/s", { type: "other", idempotencyKey: "transformer/x/4/0" })
      yield* append("/s", tick(1), tick(2))
      assert.deepStrictEqual(numbersOf(yield* arrived("/s", "tock", 1)), [2])
      assert.include(JSON.stringify(yield* payloads("/s", "stream/error-occurred")), "is at offset 3")
    }).pipe(work()))

  it.effect("says so though a client has used that key too", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'tick'", "$error('no')"))
      yield* append("/s", { type: "other", idempotencyKey: "transformer/x/4/error" })
      yield* append("/s", tick(1))
      const [error] = yield* arrived("/s", "stream/error-occurred", 1)
      assert.match(error?.idempotencyKey ?? "", /^transformer\/x\/4\/error\/./)
      assert.deepStrictEqual(yield* told, [[4, undefined]])
    }).pipe(work()))
})

/** How far the one called x is known to have come. */
const position = Effect.map(written("transformer", "/s"), (row) =>
  row?.cursors.map(({ value }) => decodePosition(value).at).at(0) ?? 0)
const decodePosition = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ at: Schema.Int })))

/** Lets it pass all that there is, which takes some seconds. */
const passed = Effect.gen(function*() {
  const head = (yield* read("/s")).length
  for (let seconds = 0; seconds < 20; seconds++) {
    if ((yield* position) >= head) return
    yield* pass("1 second")
  }
  assert.fail("It does not come so far")
})

layer(scripted("0 millis"))("a transformer that fails at everything", (it) => {
  it.effect("tells of it once a minute at most, and then of all", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "tick", "$error()"), ...ticks(1, 20))
      yield* arrived("/s", "stream/error-occurred", 1)
      yield* passed
      yield* append("/s", ...ticks(21, 30))
      yield* passed
      assert.deepStrictEqual(yield* told, [[3, undefined]])
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* told, [[3, undefined], [4, 29]])
      yield* pass("1 hour")
      yield* append("/s", tick(31), tick(32))
      yield* passed
      assert.deepStrictEqual((yield* told).slice(2), [[35, undefined]])
    }).pipe(work()))

  it.effect("tells the rest when it is configured again, paused or removed", () =>
    Effect.gen(function*() {
      const bad = configure("x", "tick", "$error()")
      const ends = [configure("x", "tick", "$error('again')"), Paused.make({}), remove("x")]
      for (const end of ends) {
        yield* append("/s", Resumed.make({}), bad, ...ticks(1, 4))
        yield* passed
        const before = yield* told
        yield* append("/s", end)
        yield* arrived("/s", "stream/error-occurred", before.length + 1)
        assert.deepStrictEqual((yield* told).slice(-2).map(([, count]) => count), [undefined, 3])
      }
    }).pipe(work()))

  it.effect("does not go on about failures, another transformer's or a subscription's", () =>
    Effect.gen(function*() {
      const store = yield* EventStore
      yield* append("/s", configure("x", "$error()", "{}"), configure("y", "$error()", "{}"))
      yield* arrived("/s", "stream/error-occurred", 1)
      for (const processor of ["subscription", "schedule"]) {
        yield* store.append({
          path,
          events: [propose(ErrorOccurred.make({ message: "The filter failed", source: processor }))],
          cause: { streamPath: path, offset: Offset.make(2), processor, hops: 0 },
          byServer: true
        })
      }
      for (let minute = 0; minute < 5; minute++) {
        yield* append("/s", tick(minute))
        yield* passed
        yield* pass("1 minute")
      }
      const all = yield* read("/s")
      const failedAt = (yield* told).map(([offset]) => all.find((event) => event.offset === offset)?.type)
      // The first of the two sees the configuration of the second.
      assert.deepStrictEqual(failedAt.filter((type) => type !== "tick"), ["transformer/configured"])
      assert.strictEqual(failedAt.length, 11)
    }).pipe(work()))
})

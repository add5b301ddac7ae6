/** What the result of a transform stands for, and how a transformer knows its own work. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import type { Event } from "../../../src/domain/Event.ts"
import { IdempotencyKey, Offset } from "../../../src/domain/Event.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import * as Output from "../../../src/builtin/transformer/TransformerOutput.ts"

const path = StreamPath.make("/s")
const elsewhere = StreamPath.make("/elsewhere")

const whole = { type: "a", payload: null, metadata: { b: 1 } }
const hundred = Array.from({ length: 100 }, () => ({ type: "a" }))
const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`)

describe("a result", () => {
  it.each([
    ["an event", { type: "a" }, [{ type: "a" }]],
    ["one with all that it may have", whole, [whole]],
    ["several", [{ type: "a" }, { type: "b", payload: 1 }], [{ type: "a" }, { type: "b", payload: 1 }]],
    ["none at all", [], []],
    ["a hundred", hundred, hundred]
  ])("is %s", (_, value, events) => assert.deepStrictEqual(Output.read(value), Result.succeed(events)))

  it.each([
    ["nothing", undefined, "The transform made nothing: it must be an event"],
    ["null", null, "The transform made no event: Expected object"],
    ["a text", "a", "The transform made no event: Expected object"],
    ["an event without a type", { payload: 1 }, "Missing key"],
    ["a type that is none", { type: "" }, "must not be empty"],
    ["a type that is too long", { type: "a".repeat(257) }, "at most 256 characters"],
    ["a field that an event has not", { type: "a", data: 1 }, "data"],
    ["a place", { type: "a", streamPath: "/b" }, "streamPath"],
    ["a key of its own", { type: "a", idempotencyKey: "b" }, "idempotencyKey"],
    ["metadata that are none", { type: "a", metadata: 1 }, "metadata"],
    ["one that is none among others", [{ type: "a" }, 7], "Expected object"],
    ["what only arrives", [{ type: "a" }, { type: "webhook/received" }], "which only what arrives is"],
    ["too many", Array.from({ length: 101 }, () => ({ type: "a" })), "made 101 events, and at most 100"],
    ["too deep", { type: "a", payload: nested(512) }, "deeper than 512 levels"],
    ["much too deep", { type: "a", payload: nested(100_000) }, "deeper than 512 levels"]
  ])("is refused where it is %s", (_, value, says) => {
    const result = Output.read(value)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) assert.include(result.failure, says)
  })
})

describe("its own work", () => {
  const uncaused: Event = {
    offset: Offset.make(8),
    type: "a",
    payload: {},
    streamPath: path,
    createdAt: DateTime.makeUnsafe(0),
    idempotencyKey: Output.key("x", path, 7, 0, path)
  }
  const event = (over: Partial<Event> = {}): Event => ({ ...uncaused, ...caused({}), ...over })
  const caused = (over: Partial<NonNullable<Event["cause"]>>) => ({
    cause: { streamPath: path, offset: Offset.make(7), processor: "transformer", hops: 0, ...over }
  })

  it.each([
    ["an event that it made", event(), true],
    ["the hundredth", event({ idempotencyKey: Output.key("x", path, 7, 99, path) }), true],
    ["what is said of one that it failed at", event({ idempotencyKey: Output.errorKey("x", 7) }), true],
    ["the same under another key", event({ idempotencyKey: `${Output.errorKey("x", 7)}/0a-b` }), true],
    ["what is said of one that was too far", event({ idempotencyKey: Output.key("x", path, 7, 0, elsewhere) }), true],
    ["another transformer's", event({ idempotencyKey: Output.key("y", path, 7, 0, path) }), false],
    ["one's whose name goes on", event({ idempotencyKey: Output.key("x/7", path, 7, 0, path) }), false],
    ["that of its namesake on another stream", event(caused({ streamPath: elsewhere })), false],
    ["a client's that chose such a key", uncaused, false],
    ["another processor's that chose such a key", event(caused({ processor: "saga" })), false],
    ["an answer to another event", event(caused({ offset: Offset.make(6) })), false]
  ])("%s", (_, each, isOwn) => assert.strictEqual(Output.isOwn(each, "x"), isOwn))

  it("is told apart by its cause in the line, whatever the rest", () => {
    assert.isTrue(Output.mayBeOwn(`{"cause":{"streamPath":"/s","offset":7,"processor":"transformer","hops":0}}`))
    assert.isFalse(Output.mayBeOwn(`{"cause":{"streamPath":"/s","offset":7,"processor":"schedule","hops":0}}`))
  })

  it("has keys that fit, and differ for all that it can be made of", () => {
    const slug = "ü".repeat(128)
    const keys = [
      Output.key(slug, path, Number.MAX_SAFE_INTEGER, 99, elsewhere),
      Output.key(slug, StreamPath.make(`/${Array.from({ length: 10 }, () => "a".repeat(100)).join("/")}`), 7, 0, path),
      Output.key(slug, path, 7, 0, elsewhere),
      Output.key(slug, path, 7, 0, path),
      Output.key(slug, path, 7, 1, path),
      Output.key(slug, path, 8, 0, path),
      Output.key("x", path, 7, 0, path),
      Output.errorKey(slug, 7)
    ]
    assert.strictEqual(new Set(keys).size, keys.length)
    for (const key of keys) assert.isTrue(IdempotencyKey.pipe((schema) => typeof schema.make(key) === "string"))
  })

  it.each([
    ["a client's event", uncaused, path, undefined],
    ["another processor's", event(caused({ processor: "saga" })), path, 0],
    ["a transformer's", event(caused({ hops: 3 })), path, 4],
    ["a transformer's of another stream", event(caused({ streamPath: elsewhere, hops: 1 })), path, 2],
    ["a transformer's, on another stream, which is a hop already", event(caused({ hops: 3 })), elsewhere, 3]
  ])("counts hops, where it answers %s", (_, each, target, hops) =>
    assert.strictEqual(Output.answered(each, target).cause?.hops, hops))
})

/** Which events are pushed, as far as their type and author say; and what is read from a line that is not decoded. */
import { assert, describe, it } from "@effect/vitest"
import * as DeliveryChoice from "../../../src/builtin/subscription/DeliveryChoice.ts"
import * as FollowLine from "../../../src/builtin/subscription/FollowLine.ts"
import * as FollowPlace from "../../../src/builtin/subscription/FollowPlace.ts"
import { Offset } from "../../../src/domain/Event.ts"
import * as EventText from "../../../src/domain/EventText.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"

const path = StreamPath.make("/s/a@b:c~d")

const line = (type: string, more: Partial<Omit<EventText.Recorded, "line">> = {}) =>
  EventText.encode({
    type,
    payload: "{\"type\":\"x\",\"streamPath\":\"/forged\",\"createdAt\":\"2020-01-01T00:00:00.000Z\"}",
    offset: 1_234,
    streamPath: path,
    createdAt: 1_795_336_364_949,
    metadata: "{\"a\":\"\\\"\"}",
    idempotencyKey: "k\"/,",
    ...more
  })

const by = (processor: string) => ({ streamPath: path, offset: Offset.make(1), processor, hops: 0 })
const told = (slug: string, processor = "subscription", streamPath = path) =>
  line("stream/error-occurred", { streamPath, payload: JSON.stringify({ message: "", slug }), cause: by(processor) })

describe("a line", () => {
  for (const type of ["ping", "order/placed", "a\"b", "ä,\n", "\\", "type"]) {
    it(`of type ${JSON.stringify(type)}`, () => {
      const text = line(type, { cause: by("p") })
      assert.strictEqual(FollowLine.typeOf(text), JSON.stringify(type))
      assert.isTrue(FollowLine.hasType(text, JSON.stringify(type)))
      assert.strictEqual(FollowLine.pathOf(text), path)
      assert.strictEqual(FollowLine.millisOf(text), 1_795_336_364_949)
    })
  }

  it("of the root and of any length", () => {
    assert.strictEqual(FollowLine.pathOf(line("t", { streamPath: StreamPath.make("/") })), "/")
    assert.strictEqual(FollowLine.typeOf(line("t", { offset: 9_007_199_254_740_991 })), "\"t\"")
  })
})

describe("the choice", () => {
  const choose = (lines: ReadonlyArray<string>, types?: ReadonlyArray<string>) =>
    DeliveryChoice.choose(DeliveryChoice.make(path, "a", types), lines)

  it("is everything, where nothing is said of subscriptions", () => {
    assert.isUndefined(choose([line("ping"), line("subscriptions/x"), line("stream/error-occurred")]))
  })

  it("leaves out what is said of subscriptions, and what this one told went wrong", () => {
    const lines = [
      line("subscription/configured"),
      line("ping"),
      told("a"),
      told("b"),
      told("a", "another"),
      told("a", "subscription", StreamPath.make("/other")),
      line("stream/error-occurred", { payload: "{\"slug\":\"a\",\"source\":\"subscription\"}" })
    ]
    assert.deepStrictEqual(choose(lines), [1, 3, 4, 5, 6])
    // Also where it is asked for.
    assert.deepStrictEqual(choose(lines, ["subscription/configured", "stream/error-occurred"]), [3, 4, 5, 6])
  })

  it("takes the types that are named, however they are spelled", () => {
    const lines = [line("ping"), line("pingpong"), line("ä\n"), line("ping")]
    assert.deepStrictEqual(choose(lines, ["ping"]), [0, 3])
    assert.deepStrictEqual(choose([(lines[2] ?? "").replace("\\n", "\\u000a")], ["ä\n"]), [0])
    assert.deepStrictEqual(choose(lines, []), [])
  })
})

describe("places", () => {
  it("are compared as numbers, and as places in commit order", () => {
    assert.isTrue(FollowPlace.isBehind(10, 9))
    assert.isFalse(FollowPlace.isBehind(9, 9))
    const text = (tx: bigint, position: bigint) => FollowPlace.encode({ tx, position })
    assert.isTrue(FollowPlace.isBehind(text(10n, 1n), text(9n, 2n)))
    assert.isTrue(FollowPlace.isBehind(text(9n, 10n), text(9n, 9n)))
    assert.isFalse(FollowPlace.isBehind(text(9n, 9n), text(9n, 9n)))
    assert.deepStrictEqual(FollowPlace.decode(text(2n ** 62n, 7n)), { tx: 2n ** 62n, position: 7n })
    assert.deepStrictEqual(FollowPlace.decode("nonsense"), { tx: 0n, position: 0n })
  })
})

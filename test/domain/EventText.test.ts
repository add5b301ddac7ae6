import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as EventText from "../../src/domain/EventText.ts"
import * as StreamPath from "../../src/domain/StreamPath.ts"

const lineOf = (payload: string) =>
  EventText.encode({ offset: 2, type: "came", payload, streamPath: StreamPath.root, createdAt: 0 })

describe("EventText", () => {
  it("a line tells its offset, and reads as the event that it was", () => {
    const line = lineOf("{\"n\":1.50}")
    assert.strictEqual(EventText.offsetOf(line), 2)
    const { createdAt, ...event } = EventText.decode(line)
    assert.deepStrictEqual<unknown>(event, { offset: 2, type: "came", payload: { n: 1.5 }, streamPath: StreamPath.root })
    assert.strictEqual(createdAt.epochMilliseconds, 0)
  })

  it("a number that no double holds does not keep anyone from reading on", () => {
    assert.deepStrictEqual(EventText.decode(lineOf("[1e400,-1e400]")).payload, [Number.MAX_VALUE, -Number.MAX_VALUE])
    assert.isTrue(Result.isFailure(EventText.decodeResult("no line of ours")))
  })

  it("proposes null as null, and nothing as an empty object", () => {
    assert.strictEqual(EventText.propose({ type: "a", payload: null }).payload, "null")
    assert.strictEqual(EventText.propose({ type: "a" }).payload, "{}")
  })
})

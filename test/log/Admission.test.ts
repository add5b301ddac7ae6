import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import * as Control from "../../src/domain/ControlEvent.ts"
import { judge } from "../../src/domain/Judgement.ts"
import { Offset } from "../../src/domain/Event.ts"
import type { Proposed, Recorded } from "../../src/domain/EventText.ts"
import { encode } from "../../src/domain/EventText.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import type { Limit } from "../../src/domain/TokenBucket.ts"
import * as Admission from "../../src/log/Admission.ts"
import type { Head } from "../../src/log/CoreState.ts"
import * as CoreState from "../../src/log/CoreState.ts"

const a = StreamPath.make("/a")
const b = StreamPath.make("/a/b")
const limit: Limit = { capacity: 100, refillPerSecond: 100 }

const event = (type: string, payload = "{}"): Proposed => ({ type, payload })
const several = (count: number) => Array.from({ length: count }, () => event("counted"))
const outline = (events: ReadonlyArray<Recorded>) =>
  events.map((each) => `${each.streamPath} ${each.offset} ${each.type}`)

/** A log that is only its heads. */
class Log {
  heads = new Map<StreamPath, Head>()
  readonly asked = new Set<StreamPath>()
  breaker: Limit | "off" = limit

  get(path: StreamPath): Head {
    this.asked.add(path)
    return this.heads.get(path) ?? CoreState.unwritten
  }

  admit(now: number, path: StreamPath, ...events: ReadonlyArray<Proposed>) {
    const result = Admission.admit(this, { path, events }, { now, breaker: this.breaker })
    if (Result.isSuccess(result)) this.heads = new Map([...this.heads, ...result.success.heads])
    return result
  }

  recorded(now: number, path: StreamPath, ...events: ReadonlyArray<Proposed>): ReadonlyArray<Recorded> {
    return Result.getOrThrow(this.admit(now, path, ...events)).events
  }

  remove(now: number, path: StreamPath): ReadonlyArray<Recorded> {
    const { events, heads } = Admission.remove(this, path, { now, breaker: this.breaker })
    this.heads = new Map([...this.heads, ...heads])
    return events
  }
}

describe("Admission", () => {
  it("makes a stream behind its ancestors, from above", () => {
    const log = new Log()
    const { events, requested } = Result.getOrThrow(log.admit(5, b, event("came"), event("went")))
    assert.deepStrictEqual(outline(events), [
      "/ 1 stream/initialized",
      "/a 1 stream/initialized",
      "/ 2 stream/child-created",
      "/a/b 1 stream/initialized",
      "/a 2 stream/child-created",
      "/a/b 2 came",
      "/a/b 3 went"
    ])
    assert.deepStrictEqual(outline(requested), ["/a/b 2 came", "/a/b 3 went"])
    for (const each of events) assert.strictEqual(each.line, encode(each))
    assert.deepInclude(log.get(b), { offset: 3, exists: true, createdAt: 5, updatedAt: 5 })
  })

  it("looks at no other head where the stream exists", () => {
    const log = new Log()
    log.recorded(5, b, event("came"))
    log.asked.clear()
    const { heads } = Result.getOrThrow(log.admit(6, b, event("came")))
    assert.deepStrictEqual([...log.asked], [b])
    assert.deepStrictEqual([...heads.keys()], [b])
  })

  it("leaves what it reads as it was", () => {
    const log = new Log()
    log.recorded(5, b, event("came"))
    const before = structuredClone(log.heads)
    const read = new Map(log.heads)
    Admission.admit({ get: (path) => read.get(path) ?? CoreState.unwritten }, { path: b, events: several(200) }, {
      now: 6,
      breaker: limit
    })
    assert.deepStrictEqual(read, before)
  })

  it("stamps the cause on what was asked for, not on what the server adds", () => {
    const log = new Log()
    const cause = { streamPath: a, offset: Offset.make(7), hops: 1 }
    const request = { path: b, events: several(101), cause }
    const { events } = Result.getOrThrow(Admission.admit(log, request, { now: 5, breaker: limit }))
    assert.strictEqual(events.at(-1)?.type, "stream/paused")
    for (const each of events) {
      assert.deepStrictEqual(each.cause, each.type === "counted" ? cause : undefined)
    }
  })

  it("gives times that never go back within a stream", () => {
    fc.assert(fc.property(fc.array(fc.nat({ max: 50 })), (times) => {
      const log = new Log()
      const created = times.flatMap((now) => log.recorded(now, a, event("came")))
        .filter(({ streamPath }) => streamPath === a)
        .map(({ createdAt }) => createdAt)
      assert.deepStrictEqual(created, created.toSorted((x, y) => x - y))
    }))
  })

  it("a delete keeps the head and tells the parent, if there is one", () => {
    const log = new Log()
    log.recorded(5, b, event("stream/metadata-updated", "{\"metadata\":{\"x\":1}}"), event("stream/paused"))
    assert.deepStrictEqual(outline(log.remove(6, b)), ["/a 3 stream/child-deleted"])
    assert.deepInclude(log.get(b), { offset: 3, exists: false, updatedAt: 6, core: CoreState.initial })
    assert.deepStrictEqual(outline(log.remove(7, a)), ["/ 3 stream/child-deleted"])
    assert.deepStrictEqual(outline(log.recorded(8, b, event("came"))), [
      "/a 4 stream/initialized",
      "/ 4 stream/child-created",
      "/a/b 4 stream/initialized",
      "/a 5 stream/child-created",
      "/a/b 5 came"
    ])
    log.remove(9, a)
    assert.deepStrictEqual(log.remove(9, b), [])
    assert.deepStrictEqual(log.remove(9, Path.root), [])
    assert.strictEqual(log.get(b).createdAt, 8)
  })

  it("a pause tells its reason and when", () => {
    const log = new Log()
    log.recorded(5, a, event("stream/paused"))
    assert.deepStrictEqual(log.get(a).core.paused, { reason: "no reason given", pausedAt: 5 })
    const refused = log.admit(6, a, event("came"))
    assert.strictEqual(Result.isFailure(refused) && refused.failure._tag, "StreamPaused")
    log.recorded(7, a, event("stream/resumed"), event("stream/paused", "{\"reason\":\"\"}"))
    assert.deepStrictEqual(log.get(a).core.paused, { reason: "", pausedAt: 7 })
  })

  it("the breaker lets its rate pass for long, and a little more not", () => {
    const pausedAt = (perTick: number): number | undefined => {
      const log = new Log()
      for (let now = 0; now < 60_000; now += 100) {
        if (log.recorded(now, a, ...several(perTick)).at(-1)?.type === "stream/paused") return now
      }
      return undefined
    }
    assert.strictEqual(pausedAt(10), undefined)
    // One event more than is refilled each tick: the capacity lasts for that many ticks, less the first.
    assert.strictEqual(pausedAt(11), 9_000)
  })

  it("a clock that goes back refills nothing", () => {
    const log = new Log()
    log.recorded(1_000, a, ...several(100))
    log.recorded(500, a, event("stream/error-occurred", "{\"message\":\"one too many\"}"))
    assert.strictEqual(log.get(a).core.paused?.by, "circuit-breaker")
  })

  it("configuring the breaker identically changes nothing", () => {
    const configured = event("stream/circuit-breaker-configured", "{\"capacity\":5,\"refillPerSecond\":1}")
    const log = new Log()
    // Of five, the first configuration takes one.
    log.recorded(0, a, configured)
    for (const _ of [2, 3, 4, 5]) assert.strictEqual(log.recorded(0, a, configured).length, 1)
    assert.strictEqual(log.recorded(0, a, configured).at(-1)?.type, "stream/paused")
  })

  it("counts the same whichever server took the append, from the stored state", () => {
    const steps = fc.array(fc.record({ wait: fc.nat({ max: 400 }), count: fc.integer({ min: 1, max: 60 }) }))
    fc.assert(fc.property(steps, (all) => {
      const one = new Log()
      const other = new Log()
      let now = 0
      for (const { count, wait } of all) {
        now += wait
        const left = one.admit(now, a, ...several(count))
        // Another server has only what is stored, and may keep another default for other streams.
        const head = other.get(a)
        other.heads.set(a, { ...head, core: decode(encodeState(head.core)) })
        const right = other.admit(now, a, ...several(count))
        assert.deepStrictEqual(right, left)
      }
    }))
  })

  it("folds every control event that may be appended", () => {
    const types = [...Control.all.keys()]
    const reason = fc.oneof(fc.string(), fc.nat())
    const metadata = fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()))
    const enabled = fc.boolean()
    const capacity = fc.oneof(fc.double(), fc.constantFrom("NaN", "Infinity", 0, -1, 1e-320))
    const refillPerSecond = fc.oneof(fc.double(), fc.constantFrom("1", 5))
    // A field that a payload does not have is refused, so each type gets its own, and now and then anything.
    const made = (types: ReadonlyArray<string>, fields: fc.Arbitrary<object>) =>
      fc.tuple(fc.constantFrom(...types), fields.map((value) => JSON.stringify(value)))
    const proposals = fc.oneof(
      fc.tuple(fc.constantFrom(...types), fc.json()),
      made(types, fc.record({ reason, metadata, enabled, capacity, refillPerSecond }, { requiredKeys: [] })),
      made([Control.Paused.type, Control.Resumed.type], fc.record({ reason }, { requiredKeys: [] })),
      made([Control.MetadataUpdated.type], fc.record({ metadata })),
      made(
        [Control.CircuitBreakerConfigured.type],
        fc.record({ enabled, capacity, refillPerSecond }, { requiredKeys: ["capacity", "refillPerSecond"] })
      )
    )
    let accepted = 0
    fc.assert(fc.property(proposals, ([type, text]) => {
      const proposed = event(type, text)
      if (judge(proposed) !== undefined) return
      accepted++
      const log = new Log()
      log.recorded(0, a, proposed)
      assert.strictEqual(JSON.stringify(decode(encodeState(log.get(a).core))), JSON.stringify(log.get(a).core))
    }), { numRuns: 2_000 })
    assert.isAbove(accepted, 100)
  })
})

const encodeState = Schema.encodeSync(CoreState.Stored)
const decode = Schema.decodeUnknownSync(CoreState.Stored)

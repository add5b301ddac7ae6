/** What receivers answer is appended, once for each push, with its cause; and what happens below a stream is pushed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Event } from "../../../src/domain/Event.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import * as Workshop from "../../processor/Workshop.ts"
import type { Receiver } from "./Delivering.ts"
import { answer, arrived, configure, cursorOf, offsetsOf, ping, pings } from "./Delivering.ts"
import { plain, resumed, told, working } from "./Delivering.ts"

const { append, pass, quiet } = Workshop

/** Answers every ping with so many events. */
const answers = (...appends: ReadonlyArray<object>): Receiver => () => Effect.succeed(answer(200, { append: appends }))

const payloadOf = ({ payload }: Pick<Event, "payload">) => plain(payload)
/** The offsets of what they answer. */
const causesOf = (events: ReadonlyArray<Event>): ReadonlyArray<unknown> => events.map(({ cause }) => cause?.offset)
const pinging = (more: object = {}) => configure("a", { types: ["ping"], ...more })

describe("an answer", () => {
  it.effect("is appended where the event is, or where it says, with its cause and its key", () => {
    const { on } = working(answers(
      { type: "pong", payload: { ok: true }, metadata: { by: "r" } },
      { type: "logged", streamPath: "/log" }
    ))
    return on(Effect.gen(function*() {
      yield* append("/s", pinging(), ping(1))
      const [pong] = yield* arrived("/s", "pong")
      const [logged] = yield* arrived("/log", "logged")
      assert.deepInclude(plain(pong), {
        payload: { ok: true },
        metadata: { by: "r" },
        idempotencyKey: "subscription/a/3/0",
        cause: { streamPath: "/s", offset: 3, processor: "subscription", hops: 0 }
      })
      assert.deepInclude(plain(logged), {
        payload: {},
        cause: { streamPath: "/s", offset: 3, processor: "subscription", hops: 1 }
      })
      assert.match(logged?.idempotencyKey ?? "", /^subscription\/a\/.{43}\/1$/)
      assert.strictEqual((yield* cursorOf("/s", "a")).at, 3)
    }))
  })

  it.effect("is recorded once for an event, however often that is pushed", () => {
    let n = 0
    const { on, take } = working(() =>
      Effect.sync(() => answer(200, { append: [{ type: "pong", payload: { n: n++ } }] })))
    return on(Effect.gen(function*() {
      yield* append("/s", pinging(), ...pings(1, 3))
      yield* take(3)
      yield* append("/s", resumed({ from: 1 }))
      yield* take(3)
      yield* quiet
      assert.deepStrictEqual((yield* told("/s", "pong")).map(payloadOf), [{ n: 0 }, { n: 1 }, { n: 2 }])
      yield* append("/s", ping(4))
      yield* take(1)
      assert.deepStrictEqual((yield* arrived("/s", "pong", 4)).map(payloadOf)[3], { n: 6 })
    }))
  })

  it.effect("is told once where it can not be recorded, and the next event goes on", () => {
    const bad: ReadonlyArray<unknown> = [
      [{ type: "stream/typo" }],
      "no list",
      [{ type: "subscription/parked", payload: { slug: "a", offset: 1, attempts: 1, error: "forged" } }],
      [{ type: "big", payload: "x".repeat(1_048_580) }]
    ]
    const { on, take } = working((_, index) =>
      Effect.succeed(answer(200, { append: bad[index] ?? [{ type: "pong" }] })))
    return on(Effect.gen(function*() {
      yield* append("/s", pinging(), ...pings(1, 5))
      yield* take(5)
      yield* arrived("/s", "pong")
      const errors = yield* told("/s", "stream/error-occurred")
      assert.deepStrictEqual(errors.map((error) => payloadOf(error).offset), [3, 4, 5, 6])
      assert.deepStrictEqual(causesOf(errors), [3, 4, 5, 6])
      assert.strictEqual((yield* told("/s", "subscription/parked")).length, 0)
    }))
  })

  it.effect("waits for a paused stream, in order, and delays no other subscription", () => {
    const { on, take } = working((pushed) =>
      Effect.succeed(pushed.url.includes("other") ? 200 : answer(200, { append: [{ type: "pong", streamPath: "/t" }] })))
    return on(Effect.gen(function*() {
      yield* append("/t", { type: "stream/paused", payload: {} })
      yield* append("/s", pinging(), configure("b", { types: ["ping"], url: "https://other.test" }), ...pings(1, 3))
      assert.sameDeepMembers((yield* take(4)).map(offsetsOf), [[4], [4], [5], [6]])
      yield* pass("1 minute")
      assert.strictEqual((yield* cursorOf("/s", "a"))?.at ?? 2, 2)
      yield* append("/t", { type: "stream/resumed", payload: {} })
      yield* pass("20 seconds")
      yield* take(2)
      const pongs = yield* arrived("/t", "pong", 3)
      assert.deepStrictEqual(causesOf(pongs), [4, 5, 6])
    }))
  })

  it.effect("to a batch answers its last event", () => {
    const { on } = working(answers({ type: "pong" }))
    return on(Effect.gen(function*() {
      yield* append("/s", ...pings(1, 3), pinging({ batch: 10, startFrom: "start" }))
      const [pong] = yield* arrived("/s", "pong")
      assert.strictEqual(pong?.cause?.offset, 4)
    }))
  })

  it.effect("is recorded once where the same slug is on several streams that answer to one", () => {
    const { on } = working(answers({ type: "pong", streamPath: "/t" }))
    return on(Effect.gen(function*() {
      for (const path of ["/s", "/r"]) yield* append(path, pinging(), ping(1))
      const pongs = yield* arrived("/t", "pong", 2)
      assert.sameMembers(pongs.map(({ cause }) => cause?.streamPath), ["/s", "/r"])
    }))
  })

  it.effect("is not asked for again after a restart", () =>
    Effect.gen(function*() {
      const { during, take } = working(answers({ type: "pong" }))
      yield* during(Effect.gen(function*() {
        yield* append("/s", pinging(), ...pings(1, 2))
        yield* arrived("/s", "pong", 2)
      }))
      yield* during(Effect.gen(function*() {
        yield* append("/s", ping(3))
        yield* arrived("/s", "pong", 3)
      }))
      assert.deepStrictEqual((yield* take(3)).map(offsetsOf), [[3], [4], [7]])
    }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))

  it.effect("of two that fail at what the other tells does not go on without end", () => {
    const { on } = working(answers({ type: "stream/typo" }))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), configure("b"), ping(1))
      yield* arrived("/s", "stream/error-occurred", 2)
      yield* pass("1 minute")
      assert.strictEqual((yield* told("/s", "stream/error-occurred")).length, 2)
    }))
  })
})

describe("descendants", () => {
  const paths = (all: ReadonlyArray<{ readonly text: string }>) =>
    all.map(({ text }) => {
      const { offset, streamPath } = JSON.parse(text)
      return `${streamPath}@${offset}`
    })

  it.effect("are pushed in commit order, from where it was configured", () => {
    const { on, take } = working()
    return on(Effect.gen(function*() {
      yield* append("/p/a", ping(0))
      yield* append("/p", ping(0))
      yield* append("/q", ping(0))
      yield* append("/p", configure("a", { descendants: true, types: ["ping"] }))
      yield* append("/p/b/c", ping(1))
      yield* append("/q", ping(1))
      yield* append("/p/a", ping(2), ping(3))
      yield* append("/p", ping(4))
      const all = yield* take(4)
      assert.deepStrictEqual(paths(all), ["/p/b/c@2", "/p/a@3", "/p/a@4", "/p@6"])
      assert.include(all[1]?.headers, { "millstream-stream": "/p/a", "millstream-offset": "3" })
    }))
  })

  it.effect("from the start, from an offset, and replayed from one of a stream below", () => {
    const { on, take } = working()
    return on(Effect.gen(function*() {
      yield* append("/p/a", ping(0), ping(1))
      yield* append("/p", ping(2), ping(3), configure("a", { descendants: true, types: ["ping"], startFrom: "start" }))
      const everything = ["/p/a@2", "/p/a@3", "/p@3", "/p@4"]
      assert.deepStrictEqual(paths(yield* take(4)), everything)
      yield* append("/p", configure("a", { descendants: true, types: ["ping"], startFrom: 3 }))
      assert.deepStrictEqual(paths(yield* take(1)), ["/p@4"])
      yield* append("/p", resumed({ from: 3, streamPath: "/p/a" }))
      assert.deepStrictEqual(paths(yield* take(3)), everything.slice(1))
      yield* append("/p", resumed({ from: 4 }))
      assert.deepStrictEqual(paths(yield* take(1)), ["/p@4"])
    }))
  })

  it.effect("that are not taken are told by their own offset, and passed over", () => {
    const { on, take } = working((_, index) => Effect.succeed(index === 0 ? 410 : 200))
    return on(Effect.gen(function*() {
      yield* append("/p", configure("a", { descendants: true, types: ["ping"], batch: 2 }))
      yield* append("/p/a", ...pings(1, 3))
      const [parked] = yield* arrived("/p", "subscription/parked")
      assert.deepInclude(plain(parked?.payload), { slug: "a", offset: 2, streamPath: "/p/a" })
      yield* append("/p", resumed({ skip: true }))
      assert.deepStrictEqual((yield* take(2)).map(offsetsOf), [[2, 3], [4]])
    }))
  })

  it.effect("go on where it was when they are added, and when they are left out again", () => {
    const { on, take } = working()
    return on(Effect.gen(function*() {
      yield* append("/p", pinging(), ping(1))
      assert.deepStrictEqual(paths(yield* take(1)), ["/p@3"])
      yield* quiet
      yield* append("/p/a", ping(2))
      yield* append("/p", pinging({ descendants: true }), ping(3))
      assert.deepStrictEqual(paths(yield* take(2)), ["/p/a@2", "/p@6"])
      yield* append("/p", pinging())
      yield* append("/p/a", ping(4))
      yield* append("/p", ping(5))
      assert.deepStrictEqual(paths(yield* take(1)), ["/p@8"])
    }))
  })

  it.effect("are added while it is parked, and what was not taken is passed over", () => {
    const { on, take } = working((_, index) => Effect.succeed(index === 0 ? 410 : 200))
    return on(Effect.gen(function*() {
      yield* append("/p", pinging(), ping(1))
      yield* arrived("/p", "subscription/parked")
      yield* append("/p/a", ping(2))
      yield* append("/p", resumed({ skip: true }), pinging({ descendants: true }), ping(3))
      assert.deepStrictEqual(paths(yield* take(3)), ["/p@3", "/p/a@2", "/p@8"])
    }))
  })

  it.effect("answer on their own stream, and a batch of them on the subscription's", () => {
    const { on } = working(answers({ type: "pong" }))
    return on(Effect.gen(function*() {
      yield* append("/p", configure("a", { descendants: true, types: ["ping"] }))
      yield* append("/p/a", ping(1))
      assert.strictEqual((yield* arrived("/p/a", "pong"))[0]?.cause?.streamPath, "/p/a")
      yield* append("/p", configure("a", { descendants: true, types: ["ping"], batch: 2 }))
      yield* append("/p/a", ping(2))
      const [pong] = yield* arrived("/p", "pong")
      assert.deepInclude(plain(pong?.cause), { streamPath: "/p/a", offset: 4 })
    }))
  })
})

/** What follows from an answer. */
import { assert, describe, it } from "@effect/vitest"
import * as DeliveryRetry from "../../../src/builtin/subscription/DeliveryRetry.ts"
import type { Next, Tried } from "../../../src/builtin/subscription/DeliveryRetry.ts"
import { skipping } from "./Delivering.ts"

const now = 1_800_000_000_000
const day = 86_400_000
const broken: DeliveryRetry.Answer = { _tag: "Failed", error: "It answered 500" }

/** All attempts at one push that is never taken, each at the time that the one before named. */
const history = (onFailure: DeliveryRetry.OnFailure | undefined, random: number) => {
  const times: Array<number> = [now]
  let tried: Tried | undefined
  for (;;) {
    const next: Next = DeliveryRetry.next(onFailure, tried, broken, times.at(-1) ?? now, random)
    if (next._tag !== "Again") return { times, next }
    tried = next.tried
    times.push(tried.nextAt)
  }
}

describe("judge", () => {
  it("takes what is 2xx, ends at 410, and tries everything else again", () => {
    for (const status of [200, 201, 204, 299]) assert.strictEqual(DeliveryRetry.judge(status, {}, now)._tag, "Taken")
    for (const status of [301, 302, 400, 401, 404, 429, 500, 503]) {
      assert.deepStrictEqual(
        DeliveryRetry.judge(status, {}, now),
        { _tag: "Failed", error: `It answered ${status}`, pause: undefined }
      )
    }
    assert.strictEqual(DeliveryRetry.judge(410, {}, now)._tag, "Refused")
  })

  const asked: ReadonlyArray<readonly [text: string, pause: number | undefined]> = [
    ["120", 120_000],
    [" 7 ", 7_000],
    ["0", 0],
    ["999999999", day],
    [new Date(now + 60_000).toUTCString(), 60_000],
    [new Date(now - 60_000).toUTCString(), 0],
    [new Date(now + 30 * day).toUTCString(), day],
    ["soon", undefined],
    ["", undefined]
  ]
  for (const [text, pause] of asked) {
    it(`reads Retry-After: ${text}`, () => {
      const answer = DeliveryRetry.judge(503, { "retry-after": text }, now)
      assert.deepStrictEqual(answer, { _tag: "Failed", error: "It answered 503", pause })
    })
  }
})

describe("next", () => {
  for (const random of [0, 0.5, 0.999]) {
    it(`goes on for three days in a bounded number of attempts, with ${random} of the jitter`, () => {
      const { next, times } = history(undefined, random)
      const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      assert.isAtLeast(pauses[0] ?? 0, 500)
      assert.isAtMost(pauses[0] ?? 0, 1_000)
      assert.isAtMost(Math.max(...pauses), 6 * 3_600_000)
      for (const [index, pause] of pauses.slice(1, 12).entries()) {
        assert.approximately(pause, 2 * (pauses[index] ?? 0), 2)
      }
      assert.strictEqual(times.at(-1), now + 3 * day)
      assert.isAtMost(times.length, 45)
      assert.isAtLeast(times.length, 25)
      assert.deepStrictEqual(next._tag, "Park")
      assert.strictEqual(next.tried.attempts, times.length)
    })
  }

  it("counts attempts where it is told how many, and pauses as it is told", () => {
    const { next, times } = history({ attempts: 4, backoff: "10 seconds" }, 0.999_999)
    assert.deepStrictEqual(times.map((time) => Math.round((time - now) / 1_000)), [0, 10, 30, 70])
    assert.strictEqual(next._tag, "Park")
    assert.strictEqual(history(skipping({ attempts: 2 }), 0).next._tag, "Skip")
    assert.strictEqual(history({ attempts: 1 }, 0).times.length, 1)
    assert.strictEqual(history(skipping({}), 0).next._tag, "Skip")
  })

  it("waits as long as a receiver asks, and no shorter than it would have", () => {
    const paused = (pause: number) => {
      const next = DeliveryRetry.next(undefined, undefined, { ...broken, pause }, now, 0)
      return next.tried.nextAt - now
    }
    assert.strictEqual(paused(60_000), 60_000)
    assert.strictEqual(paused(0), 500)
  })

  it("does not count the days while it was off, unless it was tried often enough", () => {
    const since = now - 30 * day
    const late = (attempts: number, backoff?: string) =>
      DeliveryRetry.next(backoff === undefined ? undefined : { backoff }, {
        attempts,
        since,
        nextAt: since,
        error: ""
      }, broken, now, 0)
    const second = late(1)
    assert.strictEqual(second._tag, "Again")
    assert.isAbove(second.tried.nextAt, now)
    assert.strictEqual(late(8)._tag, "Again")
    assert.strictEqual(late(9)._tag, "Park")
    // Three days hold three of these.
    assert.strictEqual(late(1, "1 day")._tag, "Again")
    assert.strictEqual(late(2, "1 day")._tag, "Park")
  })

  it("never pauses longer than a pause may be, whatever became of the clock", () => {
    const until = (nextAt: number, onFailure?: DeliveryRetry.OnFailure) =>
      DeliveryRetry.pauseUntil(onFailure, { attempts: 1, since: now, nextAt, error: "" }, now)
    assert.deepStrictEqual([until(now + 5), until(now - 5), until(now + 900 * day)], [5, 0, day])
    assert.strictEqual(until(now + 900 * day, { backoff: "60 days" }), 60 * day)
  })

  it("parks at once what is refused, whatever is configured", () => {
    const refused = { _tag: "Refused" as const, error: "no" }
    const next = DeliveryRetry.next(skipping({ attempts: 9 }), undefined, refused, now, 0)
    assert.deepStrictEqual(next, { _tag: "Park", tried: { attempts: 1, since: now, nextAt: now, error: "no" } })
  })

  it("bounds what is told of a failure", () => {
    const answer = { _tag: "Failed" as const, error: "x".repeat(5_000) }
    assert.strictEqual(DeliveryRetry.next(undefined, undefined, answer, now, 0).tried.error.length, 1_000)
  })
})

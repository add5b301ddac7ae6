/** How long a server acts for a processor: not past its lease, not past a newer version, and past every defect. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Latch, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Unavailable } from "../../src/domain/StreamError.ts"
import type { Lease, Registration } from "../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { Ownership } from "../../src/processor/Ownership.ts"
import { TestHost } from "../../src/testing/TestHost.ts"

const registration: Registration = {
  processor: "p",
  version: 1,
  consumes: ["went"],
  emits: [],
  streams: "/**",
  startFrom: "end"
}

/** A server's work, told as it goes: when it starts and stops, in seconds, and what the log of the server says. */
const server = Effect.fnUntraced(function*(
  version: number,
  { change = (checkpoints) => checkpoints, work = () => Effect.never }: {
    readonly change?: (checkpoints: Checkpoints["Service"]) => Checkpoints["Service"]
    readonly work?: (lease: Lease) => Effect.Effect<never>
  } = {}
) {
  const checkpoints = yield* Checkpoints
  const told: Array<string> = []
  const logger = Logger.make<unknown, void>(({ cause, message }) => {
    told.push(`${String(message)}${cause.reasons.length === 0 ? "" : ` ${String(Cause.squash(cause))}`}`)
  })
  const seconds = TestClock.testClockWith((clock) => Effect.sync(() => Math.round(clock.currentTimeMillisUnsafe() / 10) / 100))
  const note = (what: string) => Effect.map(seconds, (at) => told.push(`${what} at ${at} s`))
  yield* checkpoints.register({ ...registration, version })
  const ownership = new Ownership({ checkpoints: change(checkpoints), processor: "p", version, millis: 5_000 })
  yield* ownership.whileHeld((lease) =>
    Effect.andThen(note("starts"), work(lease)).pipe(Effect.onExit(() => note("stops")))
  ).pipe(Effect.provide(Logger.layer([logger])), Effect.forkScoped)
  yield* TestClock.adjust("100 millis")
  return told
})

const owned = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.scoped, Effect.provide(TestHost.layerLog()))

describe("a server that acts for a processor", () => {
  it.effect("goes on after a defect of its work, which is told with its cause", () => {
    let attempts = 0
    return Effect.gen(function*() {
      const told = yield* server(1, {
        work: () => Effect.suspend(() => ++attempts === 1 ? Effect.die(new Error("odd")) : Effect.never)
      })
      assert.isUndefined((yield* (yield* Checkpoints).registered)[0]?.owner)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, [
        "starts at 0 s",
        "stops at 0 s",
        "p met a defect; it goes on in a moment Error: odd",
        "starts at 1 s"
      ])
    }).pipe(owned)
  })

  it.effect("stops when its lease is over, however long the log takes to answer", () => {
    const answers = Latch.makeUnsafe(true)
    return Effect.gen(function*() {
      const told = yield* server(1, {
        change: (checkpoints) => ({
          ...checkpoints,
          claim: (...asked) =>
            Effect.uninterruptible(Effect.andThen(answers.await, checkpoints.claim(...asked)))
        })
      })
      yield* Effect.addFinalizer(() => answers.open)
      yield* answers.close
      yield* TestClock.adjust("4910 millis")
      assert.include(told, "stops at 5 s")
      assert.include(told, "p stops: its lease ran out, for the log did not answer in time")
      yield* answers.open
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(told.filter((line) => line.startsWith("starts")), 2)
    }).pipe(owned)
  })

  it.effect("counts a lease from when it asked for it, not from the answer", () => {
    let claims = 0
    return Effect.gen(function*() {
      const told = yield* server(1, {
        change: (checkpoints) => ({
          ...checkpoints,
          claim: (...asked) =>
            Effect.suspend(() =>
              ++claims > 1 ? Effect.never : Effect.tap(checkpoints.claim(...asked), () => Effect.sleep("4 seconds"))
            )
        })
      })
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(told.filter((line) => line.includes(" at ")), ["starts at 4 s", "stops at 5 s"])
    }).pipe(owned)
  })

  it.effect("goes on over an outage that is shorter than its lease, and tells of it once", () => {
    let isAway = false
    return Effect.gen(function*() {
      const told = yield* server(1, {
        change: (checkpoints) => ({
          ...checkpoints,
          claim: (...asked) =>
            Effect.suspend(() =>
              isAway ? Effect.fail(new Unavailable({ reason: "away", retryAfterSeconds: 1 })) : checkpoints.claim(...asked)
            )
        })
      })
      isAway = true
      yield* TestClock.adjust("4 seconds")
      isAway = false
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told.map((line) => line.split(",")[0]), [
        "starts at 0 s",
        "Asking for the lease of p failed: trying again",
        "Asking for the lease of p works again"
      ])
    }).pipe(owned)
  })

  it.effect("gives way to a newer version at its next renewal, and says so", () =>
    Effect.gen(function*() {
      const older = yield* server(1)
      const newer = yield* server(2)
      yield* TestClock.adjust("3 seconds")
      assert.include(older, "p stops: version 2 of it is registered, and this server has 1")
      assert.lengthOf(newer.filter((line) => line.startsWith("starts")), 1)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(older.filter((line) => line.startsWith("starts")), 1)
      assert.isFalse(newer.some((line) => line.startsWith("stops")))
    }).pipe(owned))

  it.effect("says that another server acts where it lost the lease to one", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const told = yield* server(1)
      yield* checkpoints.release({ processor: "p", epoch: 1n })
      yield* checkpoints.claim("p", "other", 60_000)
      yield* TestClock.adjust("3 seconds")
      assert.include(told, "p stops: another server acts for it now")
    }).pipe(owned))
})

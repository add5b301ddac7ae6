/** Who acts for a processor: one owner at a time, with an epoch that rises. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Fenced } from "../../../src/domain/StreamError.ts"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { append, event, fresh, outline } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { claimed, commit, leaseMillis, refusal, registration, working } from "./Working.ts"

export const leases = (it: It): void => {
  it.effect("a registration is known, in order of name, and a later one replaces what it says", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const first = registration(top, { processor: `${crypto.randomUUID()} a`, consumes: ["ping", "*"], emits: [] })
      const second = { ...first, processor: `${first.processor}b` }
      yield* checkpoints.register(second)
      yield* checkpoints.register(first)
      const mine = Effect.map(checkpoints.registered, (all) =>
        all.filter(({ processor }) => processor.startsWith(first.processor)))
      assert.deepStrictEqual(yield* mine, [
        { ...first, owner: undefined, preparing: [] },
        { ...second, owner: undefined, preparing: [] }
      ])
      yield* checkpoints.register({ ...first, version: 2, streams: `${top}/*`, emits: ["pong"], startFrom: "end" })
      assert.deepStrictEqual((yield* mine)[0], {
        ...first,
        version: 2,
        streams: `${top}/*`,
        emits: ["pong"],
        owner: undefined,
        preparing: []
      })
    }))

  it.effect("another definition ends the lease, and the same one does not", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const first = registration(top)
      for (const other of [{ version: 2 }, { consumes: ["ping", "pong"] }, { streams: `${top}/*` }]) {
        yield* checkpoints.register(first)
        const lease = yield* claimed(first.processor)
        yield* checkpoints.register(first)
        yield* checkpoints.advance(lease)
        yield* checkpoints.register({ ...first, ...other })
        assert.deepStrictEqual(
          yield* Effect.flip(checkpoints.advance(lease)),
          new Fenced({ processor: first.processor, lost: "lease" })
        )
      }
    }))

  it.effect("a lease is one owner's until it runs out or is given back; renewing keeps its epoch", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const { processor } = registration(fresh())
      assert.isTrue(Option.isNone(yield* checkpoints.claim(processor, "me", leaseMillis)))
      yield* checkpoints.register({ ...registration(fresh()), processor })
      const owner = Effect.map(checkpoints.registered, (all) => all.find((each) => each.processor === processor)?.owner)
      const first = yield* claimed(processor)
      assert.strictEqual(yield* owner, "me")
      assert.isTrue(Option.isNone(yield* checkpoints.claim(processor, "you", leaseMillis)))
      assert.deepStrictEqual(yield* claimed(processor), first)
      yield* checkpoints.release(first)
      assert.isUndefined(yield* owner)
      const second = yield* claimed(processor, "you")
      assert.isAbove(Number(second.epoch), Number(first.epoch))
      // Who comes too late gives back nothing.
      yield* checkpoints.release(first)
      assert.isTrue(Option.isNone(yield* checkpoints.claim(processor, "me", leaseMillis)))
      assert.strictEqual(yield* owner, "you")
    }))

  it.effect("a lease that has run out goes to whoever claims it first, with a greater epoch", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const { processor } = yield* working(fresh())
      const short = yield* Effect.orDie(Effect.fromOption(yield* checkpoints.claim(processor, "me", 20)))
      const others = yield* Effect.repeat(
        Effect.forEach(["you", "they"], (owner) => checkpoints.claim(processor, owner, leaseMillis), {
          concurrency: "unbounded"
        }),
        { until: (claims) => claims.some(Option.isSome) }
      )
      const [taken, ...none] = others.flatMap((claim) => Option.isSome(claim) ? [claim.value] : [])
      assert.deepStrictEqual([taken, none], [{ processor, epoch: short.epoch + 1n }, []])
      assert.isTrue(Option.isNone(yield* checkpoints.claim(processor, "me", leaseMillis)))
    }))

  it.effect("a lease is nobody's whose version is not the registered one, not even to renew it", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const first = registration(fresh())
      const { processor } = first
      const claim = (owner: string, version?: number) => checkpoints.claim(processor, owner, leaseMillis, { version })
      yield* checkpoints.register(first)
      assert.isTrue(Option.isNone(yield* claim("me", 2)))
      assert.isTrue(Option.isSome(yield* claim("me", 1)))
      yield* checkpoints.register({ ...first, version: 2 })
      assert.isTrue(Option.isNone(yield* claim("me", 1)))
      const taken = yield* claim("you", 2)
      assert.isTrue(Option.isSome(taken))
      assert.isTrue(Option.isNone(yield* claim("you", 1)))
      assert.deepStrictEqual(yield* claim("you"), taken)
    }))

  it.effect("one that nobody took may be renewed after it ran out", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const lease = yield* working(fresh())
      yield* checkpoints.claim(lease.processor, "me", 0)
      assert.deepStrictEqual(yield* claimed(lease.processor), lease)
    }))

  it.effect("who has lost the lease can do nothing", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      yield* append(path, event("ping"))
      const lost = yield* working(path)
      yield* checkpoints.release(lost)
      const held = yield* claimed(lost.processor, "you")
      for (const effect of [Effect.asVoid(checkpoints.advance(lost)), Effect.asVoid(checkpoints.open(lost, path))]) {
        assert.deepEqual(yield* Effect.flip(effect), new Fenced({ processor: lost.processor, lost: "lease" }))
      }
      const appends = [{ path, events: [event("pong")] }]
      assert.strictEqual(yield* refusal(lost, { appends }), "Fenced lease")
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 ping"])
      yield* commit(held, { appends })
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 ping", "3 pong"])
    }))
}

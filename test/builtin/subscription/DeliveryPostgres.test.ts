/** Subscriptions over Postgres to receivers on loopback: order, signatures, what is read, what hangs. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer } from "effect"
import { Webhook } from "standardwebhooks"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import { Secrets } from "../../../src/builtin/Secrets.ts"
import * as SubscriptionHooks from "../../../src/builtin/subscription/SubscriptionHooks.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import { Egress } from "../../../src/egress/Egress.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { Answer, Receiver } from "../../egress/Receiver.ts"
import * as Receivers from "../../egress/Receiver.ts"
import * as Workshop from "../../processor/Workshop.ts"
import * as TestPostgres from "../../TestPostgres.ts"
import { arrived, configure, ping, pings } from "./Delivering.ts"

const { append, during } = Workshop

const secrets = {
  one: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  two: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
}

/** With subscriptions at work that may send to these receivers. */
const pushing = (receivers: ReadonlyArray<Receiver>) =>
  during(SubscriptionHooks.layer.pipe(
    Layer.provide(Egress.layer({ allow: receivers.map(({ target }) => target) })),
    Layer.provide(Jsonata.layer),
    Layer.provide(Secrets.layerOf(secrets))
  ), { leaseMillis: 2_000 })

const ok: Answer = (response) => response.end("{}")

const numbersOf = ({ requests }: Receiver): ReadonlyArray<number> =>
  requests.flatMap(({ body }) => {
    const value = JSON.parse(body)
    const events: ReadonlyArray<{ payload: { n: number } }> = "events" in value ? value.events : [value]
    return events.map(({ payload }) => payload.n)
  })

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

/** Streams that take whatever comes. */
const unlimited = { type: "stream/circuit-breaker-configured", payload: { enabled: false } }

layer(TestPostgres.log, { excludeTestServices: true, timeout: 60_000 })("subscriptions", (it) => {
  it.effect("push in order, signed so that the library of Standard Webhooks accepts it", () =>
    Effect.gen(function*() {
      const receiver = yield* Receivers.make(ok)
      yield* Effect.gen(function*() {
        yield* append("/signed", unlimited, configure("a", { url: receiver.url, secret: "two", types: ["ping"] }))
        for (let n = 1; n <= 30; n += 3) yield* append("/signed", ...pings(n, n + 2))
        yield* receiver.arrived(30)
      }).pipe(pushing([receiver]))
      assert.deepStrictEqual(numbersOf(receiver), upTo(30))
      for (const { body, headers } of receiver.requests) {
        const given = JSON.parse(JSON.stringify(headers))
        for (const secret of secrets.two.split(" ")) new Webhook(secret).verify(body, given)
        assert.throws(() => new Webhook(secrets.one.replace("M", "N")).verify(body, given))
      }
    }).pipe(Effect.scoped))

  it.effect("of a prefix push in commit order, and go on where they were after a restart", () =>
    Effect.gen(function*() {
      const last = yield* Deferred.make<void>()
      const receiver = yield* Receivers.make((response, { body }) => {
        if (JSON.parse(body).payload.n === 11) Deferred.doneUnsafe(last, Exit.void)
        response.end()
      })
      const more = { url: receiver.url, types: ["ping"], descendants: true }
      yield* append("/within/b", ping(0)).pipe(pushing([receiver]))
      yield* Effect.gen(function*() {
        yield* append("/within", configure("a", more))
        for (let n = 1; n <= 10; n++) yield* append(n % 2 === 0 ? "/within/b" : `/within/c/${n}`, ping(n))
        yield* receiver.arrived(10)
      }).pipe(pushing([receiver]))
      yield* Effect.gen(function*() {
        yield* append("/within/b", ping(11))
        yield* Deferred.await(last)
      }).pipe(pushing([receiver]))
      // What was under way when they stopped may come twice.
      assert.deepStrictEqual([...new Set(numbersOf(receiver))], upTo(11))
      assert.isAtMost(receiver.requests.length, 12)
    }).pipe(Effect.scoped))

  it.effect("begin at their configuration, whatever was appended before anyone looked", () =>
    Effect.gen(function*() {
      const receiver = yield* Receivers.make(ok)
      const more = { url: receiver.url, types: ["ping"], descendants: true }
      yield* append("/begun", { type: "first" }).pipe(pushing([receiver]))
      // Nobody is there to start its fiber.
      yield* during(Layer.empty, { leaseMillis: 2_000 })(Effect.gen(function*() {
        yield* append("/begun/x", ping(-1))
        yield* append("/begun", configure("a", more), ping(1))
        for (let n = 2; n <= 200; n++) yield* append("/begun/x", unlimited, ping(n))
      }))
      yield* receiver.arrived(200).pipe(pushing([receiver]))
      assert.deepStrictEqual(numbersOf(receiver), upTo(200))
    }).pipe(Effect.scoped))

  it.effect("answer through the log, once", () =>
    Effect.gen(function*() {
      const receiver = yield* Receivers.make((response, { body }) =>
        response.end(JSON.stringify({ append: [{ type: "pong", payload: JSON.parse(body).payload }] })))
      yield* Effect.gen(function*() {
        yield* append("/answered", configure("a", { url: receiver.url, types: ["ping"] }), ...pings(1, 20))
        const pongs = yield* arrived("/answered", "pong", 20)
        assert.deepStrictEqual(pongs.map(({ cause }) => Number(cause?.offset)), upTo(20).map((n) => n + 2))
      }).pipe(pushing([receiver]))
    }).pipe(Effect.scoped))

  it.effect("on one stream share what they read", () =>
    Effect.gen(function*() {
      const subscribers = 100
      const receiver = yield* Receivers.make(ok)
      const store = yield* EventStore
      let reads = 0
      const counting: EventStore["Service"] = {
        ...store,
        read: (path, options) => {
          if (path === "/shared") reads += 1
          return store.read(path, options)
        }
      }
      const more = { url: receiver.url, types: ["ping"], startFrom: "start" }
      yield* Effect.gen(function*() {
        const streams = yield* Streams
        yield* append("/shared", unlimited)
        for (let page = 0; page < 3; page++) yield* append("/shared", ...pings(1, 1_000).map(() => ({ type: "other" })))
        yield* append("/shared", ping(1))
        const before = reads
        yield* append("/shared", ...Array.from({ length: subscribers }, (_, n) => configure(`s${n}`, more)))
        yield* receiver.arrived(subscribers)
        const history = reads - before
        for (let n = 2; n <= 21; n++) {
          yield* streams.append("/shared", ping(n))
          yield* receiver.arrived(subscribers * n)
        }
        assert.isBelow(history, subscribers)
        assert.isBelow(reads - before - history, 40)
      }).pipe(pushing([receiver]), Effect.provideService(EventStore, counting))
    }).pipe(Effect.scoped))

  it.effect("that hang, break off or redirect delay no other, and lose nothing", () =>
    Effect.gen(function*() {
      const healthy = yield* Receivers.make(ok)
      const hanging = yield* Receivers.make(() => undefined)
      let broken = 0
      const breaking = yield* Receivers.make((response, _, socket) =>
        broken++ % 2 === 0 ? socket.destroy() : response.end())
      const redirecting = yield* Receivers.make((response) =>
        response.writeHead(302, { location: healthy.url }).end())
      const all = { healthy, hanging, breaking, redirecting }
      yield* Effect.gen(function*() {
        const configured = Object.entries(all).map(([slug, { url }]) =>
          configure(slug, { url, types: ["ping"], onFailure: { backoff: 10 } }))
        yield* append("/mixed", unlimited, ...configured, ...pings(1, 50))
        yield* healthy.arrived(50)
        yield* breaking.arrived(100)
        yield* redirecting.arrived(2)
      }).pipe(pushing(Object.values(all)))
      assert.deepStrictEqual(numbersOf(healthy), upTo(50))
      assert.deepStrictEqual(numbersOf(breaking), upTo(50).flatMap((n) => [n, n]))
      assert.strictEqual(hanging.requests.length, 1)
    }).pipe(Effect.scoped))
})

/** Another version of a processor is folded beside the one that acts, and takes over when it has caught up. */
import { assert, layer as layered } from "@effect/vitest"
import { Effect, Latch, Option } from "effect"
import type { Layer } from "effect"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import type { Log } from "../../src/testing/TestHost.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import * as TestPostgres from "../TestPostgres.ts"
import type { Changes } from "./Servers.ts"
import { answers, Begun, did, payloads, registered, start, summing, until, went, working, written } from "./Servers.ts"

const ten = Array.from({ length: 10 }, (_, n) => n + 1)
const by = (version: number, ...all: ReadonlyArray<number>) => all.map((n) => `${n} by ${version}`)
const fresh = () => `p${crypto.randomUUID().slice(0, 8)}`

/** Lets nothing be read, so that a preparation stands still. */
const reading = (gate: Latch.Latch): Changes => ({
  store: ({ read }) => ({ read: (...asked) => Effect.andThen(gate.await, read(...asked)) })
})
/** Lets nothing be prepared, while the rest goes on. */
const preparing = (gate: Latch.Latch): Changes => ({
  checkpoints: ({ unprepared }) => ({ unprepared: (...asked) => Effect.andThen(gate.await, unprepared(...asked)) })
})
/** Lets nothing be registered, so that what is prepared does not take over. */
const registering = (gate: Latch.Latch): Changes => ({
  checkpoints: ({ register }) => ({ register: (...asked) => Effect.andThen(gate.await, register(...asked)) })
})

const acts = (name: string, version: number) => until(registered(name), (known) => known?.version === version)
const answered = (path: string, count: number) => until(answers(path), (all) => all.length >= count)

/** An older version at work, which has answered ten on a stream and has written so. */
const older = Effect.fnUntraced(function*(name: string, path: string) {
  const server = yield* start(summing(name, 1).layer)
  yield* went(path, ...ten)
  yield* answered(path, 10)
  return server
})

const suite = <E>(log: string, layer: Layer.Layer<Log, E>) =>
  layered(layer, { excludeTestServices: true, timeout: "60 seconds" })(`a newer version, of a log in ${log}`, (it) => {
    it.effect("is folded beside the older one, which goes on answering until it has caught up", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        yield* older(name, path)
        const gate = Latch.makeUnsafe(false)
        yield* start(summing(name, 2).layer, reading(gate))
        yield* until(registered(name), (known) => known?.preparing[0]?.left === 1)
        yield* went(path, 11)
        yield* went(`/${name}/b`, 1)
        yield* answered(path, 11)
        yield* answered(`/${name}/b`, 1)
        assert.deepInclude(yield* registered(name), { version: 1, preparing: [{ version: 2, left: 1 }] })
        yield* gate.open
        yield* acts(name, 2)
        yield* went(path, 12)
        assert.deepStrictEqual(yield* answered(path, 12), [...by(1, ...ten, 11), ...by(2, 12)])
        assert.deepStrictEqual(yield* answers(`/${name}/b`), by(1, 1))
        const row = yield* until(written(name, path), (row) => row?.version === 2 && row.state !== undefined)
        assert.strictEqual(row?.state, String(2 * 78))
        const other = yield* until(written(name, `/${name}/b`), (row) => row?.version === 2 && row.state !== undefined)
        assert.strictEqual(other?.state, "2")
        assert.deepInclude(yield* registered(name), { version: 2, preparing: [] })
      }))

    it.effect("begins where it was prepared: at the takeover it folds only what came since", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        yield* older(name, path)
        const gate = Latch.makeUnsafe(false)
        const isDue = Latch.makeUnsafe(false)
        const newer = summing(name, 2)
        yield* start(newer.layer, {
          checkpoints: ({ register }) => ({
            register: (...asked) => Effect.andThen(isDue.open, Effect.andThen(gate.await, register(...asked)))
          })
        })
        yield* isDue.await
        assert.strictEqual(newer.counts.folded, 10)
        yield* went(path, 11, 12)
        yield* answered(path, 12)
        yield* gate.open
        yield* acts(name, 2)
        yield* went(path, 13)
        assert.deepStrictEqual(yield* answered(path, 13), [...by(1, ...ten, 11, 12), ...by(2, 13)])
        const [last] = (yield* payloads(path, "answered")).slice(-1)
        assert.deepStrictEqual(last, { n: 13, by: 2, sum: 2 * 91 })
        assert.strictEqual(newer.counts.folded, 13)
      }))

    it.effect("runs the fibers that its state asks for, since the same events, and none that had ended", () =>
      Effect.gen(function*() {
        const store = yield* EventStore
        const name = fresh()
        const path = StreamPath.make(`/${name}/a`)
        const begin = (key: string) => ({ type: Begun.type, payload: JSON.stringify({ key }) })
        yield* start(working(name, 1))
        yield* store.append({ path, events: [begin("short"), begin("long")] })
        const row = yield* until(written(name, path), (row) => row?.fibers?.includes("Done") === true)
        assert.strictEqual(row?.version, 1)
        const before = yield* did(path)
        assert.sameMembers([...before], ["short by 1, for 2", "long by 1, for 3"])
        yield* start(working(name, 2))
        yield* acts(name, 2)
        const after = yield* until(did(path), (all) => all.length > 2)
        assert.deepStrictEqual(after, [...before, "long by 2, for 3"])
        yield* store.append({ path, events: [begin("more")] })
        assert.deepStrictEqual((yield* until(did(path), (all) => all.length > 3)).slice(3), ["more by 2, for 7"])
      }))

    it.effect("takes over at once where the older one's server goes away meanwhile", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        const server = yield* older(name, path)
        yield* start(summing(name, 2).layer, preparing(Latch.makeUnsafe(false)))
        yield* went(path, 11)
        yield* answered(path, 11)
        yield* server.stop
        yield* acts(name, 2)
        yield* went(path, 12)
        assert.deepStrictEqual(yield* answered(path, 12), [...by(1, ...ten, 11), ...by(2, 12)])
      }))

    it.effect("lets a server of the older one that stands by have its turn", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        const server = yield* older(name, path)
        const isVacant = Latch.makeUnsafe(false)
        let looks = 0
        yield* start(summing(name, 2).layer, {
          checkpoints: ({ registered }) => ({
            unprepared: () => Effect.never,
            registered: Effect.tap(registered, (all) =>
              all.some(({ owner, processor }) => processor === name && owner === undefined)
                ? Effect.andThen(Effect.sync(() => looks += 1), isVacant.open)
                : Effect.void)
          })
        })
        // It had asked just before the newer one saw that nobody acts, and asks again as late as ever.
        let asked = 0
        yield* start(summing(name, 1).layer, {
          checkpoints: ({ claim }) => ({
            claim: (...claiming) => asked++ === 0 ? Effect.as(isVacant.await, Option.none()) : claim(...claiming)
          })
        })
        yield* until(Effect.sync(() => asked), (count) => count === 1)
        yield* server.stop
        yield* until(Effect.sync(() => looks), (count) => count > 0)
        const known = yield* until(registered(name), (known) => known?.owner !== undefined)
        assert.strictEqual(known?.version, 1)
        yield* went(path, 11)
        assert.deepStrictEqual(yield* answered(path, 11), by(1, ...ten, 11))
      }))

    it.effect("goes on after a defect", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        yield* older(name, path)
        let asked = 0
        yield* start(summing(name, 2).layer, {
          checkpoints: ({ unprepared }) => ({
            unprepared: (...of) => asked++ === 0 ? Effect.die(new Error("a defect")) : unprepared(...of)
          })
        })
        yield* acts(name, 2)
        yield* went(path, 11)
        assert.deepStrictEqual(yield* answered(path, 11), [...by(1, ...ten), ...by(2, 11)])
      }))

    it.effect("takes over where the older one's lease has run out", () =>
      Effect.gen(function*() {
        const checkpoints = yield* Checkpoints
        const name = fresh()
        yield* (yield* older(name, `/${name}/a`)).stop
        yield* checkpoints.claim(name, "silent", 1_500)
        yield* start(summing(name, 2).layer, preparing(Latch.makeUnsafe(false)))
        assert.deepInclude(yield* registered(name), { version: 1, owner: "silent" })
        yield* acts(name, 2)
        yield* went(`/${name}/a`, 11)
        assert.deepStrictEqual(yield* answered(`/${name}/a`, 11), [...by(1, ...ten), ...by(2, 11)])
      }))

    it.effect("leaves to the takeover what it can not fold, where that shows, and prepares the others", () =>
      Effect.gen(function*() {
        const name = fresh()
        const [bad, fine, large] = ["bad", "fine", "large"].map((each) => `/${name}/${each}`)
        assert.isDefined(bad && fine && large)
        if (bad === undefined || fine === undefined || large === undefined) return
        yield* start(summing(name, 1).layer)
        for (const path of [bad, fine, large]) yield* went(path, 1, path === bad ? 666 : path === large ? -1 : 2, 3)
        for (const path of [bad, fine, large]) yield* answered(path, 3)
        const newer = summing(name, 2, (sum, n) => {
          if (n === 666) throw new Error("no such number")
          // No integer: its schema refuses it.
          return n === -1 ? Number.NaN : sum + 2 * n
        })
        yield* start(newer.layer)
        yield* acts(name, 2)
        yield* went(fine, 4)
        assert.deepStrictEqual(yield* answered(fine, 4), [...by(1, 1, 2, 3), ...by(2, 4)])
        for (const path of [bad, large]) {
          const [parked] = yield* until(payloads(path, "processor/parked"), (all) => all.length > 0)
          assert.deepInclude(parked, { name, offset: 3 })
        }
        const row = yield* until(written(name, bad), (row) => row?.parked !== undefined)
        assert.include(row?.parked?.error, "no such number")
      }))

    it.effect("does not take over from a version that was registered after it began, and acts where it is registered", () =>
      Effect.gen(function*() {
        const checkpoints = yield* Checkpoints
        const name = fresh()
        const path = `/${name}/a`
        yield* older(name, path)
        const gate = Latch.makeUnsafe(false)
        let looks = 0
        yield* start(summing(name, 2).layer, {
          ...reading(gate),
          checkpoints: (checkpoints) => ({
            registered: Effect.tap(checkpoints.registered, (all) =>
              Effect.sync(() => {
                if (all.some(({ processor, version }) => processor === name && version === 3)) looks += 1
              }))
          })
        })
        const first = Option.getOrThrow(Option.fromUndefinedOr(yield* registered(name)))
        yield* checkpoints.register({ ...first, version: 3 })
        const lease = Option.getOrThrow(yield* checkpoints.claim(name, "third", 60_000, { version: 3 }))
        yield* gate.open
        // At the first look it knows that it was overtaken, and it looks on.
        yield* until(Effect.sync(() => looks), (count) => count > 1)
        assert.deepInclude(yield* registered(name), { version: 3, owner: "third" })
        yield* checkpoints.release(lease)
        yield* checkpoints.register({ ...first, version: 2 })
        yield* went(path, 11)
        assert.deepStrictEqual(yield* answered(path, 11), [...by(1, ...ten), ...by(2, 11)])
      }))

    it.effect("takes over from one that was being prepared before it and came first", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        yield* older(name, path)
        const [first, second] = [Latch.makeUnsafe(false), Latch.makeUnsafe(false)]
        yield* start(summing(name, 2).layer, reading(first))
        let looks = 0
        yield* start(summing(name, 3).layer, {
          ...reading(second),
          checkpoints: (checkpoints) => ({
            registered: Effect.tap(checkpoints.registered, (all) =>
              Effect.sync(() => {
                if (all.some(({ processor, version }) => processor === name && version === 2)) looks += 1
              }))
          })
        })
        yield* first.open
        yield* acts(name, 2)
        yield* went(path, 11)
        yield* answered(path, 11)
        // It has heard of the other one, and goes on.
        yield* until(Effect.sync(() => looks), (count) => count > 1)
        assert.deepInclude(yield* registered(name), { version: 2, preparing: [{ version: 3, left: 1 }] })
        yield* second.open
        yield* acts(name, 3)
        yield* went(path, 12)
        assert.deepStrictEqual(yield* answered(path, 12), [...by(1, ...ten), ...by(2, 11), ...by(3, 12)])
      }))

    it.effect("may be started twice, and an older one after it: the last one takes over", () =>
      Effect.gen(function*() {
        const name = fresh()
        const path = `/${name}/a`
        yield* older(name, path)
        const gate = Latch.makeUnsafe(false)
        yield* start(summing(name, 2).layer, reading(gate))
        yield* start(summing(name, 2).layer, reading(gate))
        yield* gate.open
        yield* acts(name, 2)
        yield* went(path, 11)
        yield* answered(path, 11)
        yield* start(summing(name, 1).layer)
        yield* acts(name, 1)
        yield* went(path, 12)
        assert.deepStrictEqual(yield* answered(path, 12), [...by(1, ...ten), ...by(2, 11), ...by(1, 12)])
        const row = yield* until(written(name, path), (row) => row?.version === 1 && row.state !== undefined)
        assert.strictEqual(row?.state, "78")
      }))

    it.effect("has no use for what was kept of the older one, which is swept", () =>
      Effect.gen(function*() {
        const checkpoints = yield* Checkpoints
        const name = fresh()
        const path = `/${name}/a`
        yield* (yield* older(name, path)).stop
        const lease = Option.getOrThrow(yield* checkpoints.claim(name, "first", 60_000))
        const { head, life, revision } = Option.getOrThrow(yield* checkpoints.open(lease, StreamPath.make(path)))
        const checkpoint = { life, revision, version: 1, offset: head, state: "55", fibers: "[]", busy: false, keep: true }
        yield* (yield* EventStore).commit({ lease, appends: [], checkpoint: { ...checkpoint, parked: undefined } })
        const gate = Latch.makeUnsafe(false)
        yield* start(summing(name, 2).layer, registering(gate))
        const kept = (version: number) => checkpoints.snapshot(name, version, life, 1_000)
        yield* until(kept(2), Option.isSome)
        assert.isTrue(Option.isSome(yield* kept(1)))
        yield* gate.open
        yield* acts(name, 2)
        yield* until(kept(1), Option.isNone)
        assert.isTrue(Option.isSome(yield* kept(2)))
      }))
  })

suite("memory", TestHost.layerLog())
suite("Postgres", TestPostgres.log)

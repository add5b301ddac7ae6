/** Which events led to one, and what it led to. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { maxCauses, maxCausesBytes } from "../../../src/domain/Bounds.ts"
import type { Cause, Event } from "../../../src/domain/Event.ts"
import type { Proposed } from "../../../src/domain/EventText.ts"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Traced } from "../../../src/log/Causes.ts"
import { Causes } from "../../../src/log/Causes.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import { append, below, breakerOff, event, events, fresh, lines, parse, range } from "./Fixture.ts"

type Place = Pick<Event, "streamPath" | "offset">

/** Appends events that answer another one, and returns them. */
const answerAll = Effect.fnUntraced(function*(
  path: StreamPath,
  to: Place | undefined,
  proposed: ReadonlyArray<Proposed>
) {
  const store = yield* EventStore
  const cause: Cause | undefined = to === undefined
    ? undefined
    : { streamPath: to.streamPath, offset: to.offset, processor: "tester", hops: to.streamPath === path ? 0 : 1 }
  return parse((yield* store.append({ path, events: proposed, cause })).lines)
})

/** The same with one event. */
const answer = (path: StreamPath, to: Place | undefined, type: string, payload?: string) =>
  Effect.flatMap(answerAll(path, to, [event(type, payload)]), ([recorded]) => Effect.fromNullishOr(recorded)).pipe(
    Effect.orDie
  )

const found = Option.getOrElse((): Traced => assert.fail("the event is not found"))
const chain = (at: Place) =>
  Effect.flatMap(Causes, (causes) => Effect.map(causes.chain(at.streamPath, at.offset), found))
const effects = (at: Place) =>
  Effect.flatMap(Causes, (causes) => Effect.map(causes.effects(at.streamPath, at.offset), found))
const typesOf = ({ lines }: Traced): ReadonlyArray<string> => parse(lines).map(({ type }) => type)
const isThere = Effect.fnUntraced(function*(path: StreamPath, offset: number) {
  const causes = yield* Causes
  const both = [yield* causes.chain(path, offset), yield* causes.effects(path, offset)].map(Option.isSome)
  assert.strictEqual(both[0], both[1])
  return both[0]
})

export const tracing = (it: It): void => {
  it.effect("a chain is oldest first, across streams, and ends with the event", () =>
    Effect.gen(function*() {
      const top = fresh()
      const asked = yield* answer(below(top, "a"), undefined, "asked")
      const thought = yield* answer(below(top, "b"), asked, "thought")
      yield* answer(below(top, "b"), asked, "forgotten")
      const answered = yield* answer(below(top, "a"), thought, "answered")
      assert.deepStrictEqual(typesOf(yield* chain(answered)), ["asked", "thought", "answered"])
      assert.deepStrictEqual(typesOf(yield* chain(thought)), ["asked", "thought"])
      assert.deepStrictEqual(yield* chain(asked), { lines: (yield* lines(below(top, "a"))).slice(1, 2), more: false })
    }))

  it.effect("effects are direct and indirect, across streams, in commit order", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [a, b, c] = [below(top, "a"), below(top, "b"), below(top, "c")]
      const first = yield* answer(a, undefined, "first")
      const second = yield* answer(b, first, "second")
      yield* answer(c, undefined, "unrelated")
      const third = yield* answer(c, second, "third")
      const fourth = yield* answer(a, first, "fourth")
      yield* answerAll(b, third, [event("fifth"), event("sixth")])
      assert.deepStrictEqual(typesOf(yield* effects(first)), ["second", "third", "fourth", "fifth", "sixth"])
      assert.deepStrictEqual(typesOf(yield* effects(second)), ["third", "fifth", "sixth"])
      assert.deepStrictEqual(yield* effects(fourth), { lines: [], more: false })
    }))

  it.effect("an event that does not exist has neither", () =>
    Effect.gen(function*() {
      const path = fresh()
      assert.isFalse(yield* isThere(path, 1))
      yield* append(path, event("came"))
      assert.deepStrictEqual(yield* Effect.forEach(range(0, 3), (offset) => isThere(path, offset)), [
        false,
        true,
        true,
        false
      ])
      assert.isFalse(yield* isThere(path, Number.MAX_SAFE_INTEGER))
    }))

  it.effect("what is found comes as it was recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      const first = yield* answer(path, undefined, "first", "{\"n\":1e400,\"n\":1.0,\"s\":\"\\u0000\\ud800\"}")
      const cause = { streamPath: path, offset: first.offset, processor: "a \"quoted\" one", hops: 2 }
      const store = yield* EventStore
      const second = event("second", "9007199254740993", { metadata: "{\"m\":1.0}", idempotencyKey: "k" })
      const [last] = parse((yield* store.append({ path, events: [second], cause })).lines)
      const recorded = (yield* lines(path)).slice(1)
      assert.deepStrictEqual((yield* chain(last ?? first)).lines, recorded)
      assert.deepStrictEqual((yield* effects(first)).lines, recorded.slice(1))
    }))

  it.effect("a deleted event is no link any more", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [a, b, c] = [below(top, "a"), below(top, "b"), below(top, "c")]
      const store = yield* EventStore
      const first = yield* answer(a, undefined, "first")
      const second = yield* answer(b, first, "second")
      const third = yield* answer(c, second, "third")
      const fourth = yield* answer(a, third, "fourth")
      yield* store.remove(b, { recursive: false })
      // The chain begins with an event whose cause is still named.
      const kept = yield* chain(fourth)
      assert.deepStrictEqual(typesOf(kept), ["third", "fourth"])
      assert.deepInclude(parse(kept.lines)[0]?.cause, { streamPath: b, offset: second.offset })
      assert.deepStrictEqual(typesOf(yield* effects(first)), [])
      assert.isFalse(yield* isThere(b, second.offset))
      // Offsets are never used again: the new events of the path are no links of the old ones.
      const again = yield* answer(b, first, "again")
      assert.isAbove(again.offset, second.offset)
      assert.deepStrictEqual(typesOf(yield* effects(first)), ["again"])
      assert.deepStrictEqual(typesOf(yield* chain(fourth)), ["third", "fourth"])
    }))

  it.effect("every event of a forest has the chain and the effects that its causes say", () =>
    Effect.gen(function*() {
      const top = fresh()
      const all: Array<{ readonly event: Event; readonly cause: number | undefined }> = []
      for (const n of range(0, 59)) {
        const cause = n % 9 === 0 ? undefined : (n * n * 31 + 7) % n
        const to = cause === undefined ? undefined : all[cause]?.event
        all.push({ event: yield* answer(below(top, `s${(n * 5) % 4}`), to, `n${n}`), cause })
      }
      const chainOf = (n: number): ReadonlyArray<number> => {
        const cause = all[n]?.cause
        return cause === undefined ? [n] : [...chainOf(cause), n]
      }
      const names = (numbers: ReadonlyArray<number>) => numbers.map((n) => `n${n}`)
      for (const [n, each] of all.entries()) {
        assert.deepStrictEqual(typesOf(yield* chain(each.event)), names(chainOf(n)))
        const led = all.flatMap((_, later) => later !== n && chainOf(later).includes(n) ? [later] : [])
        assert.deepStrictEqual(typesOf(yield* effects(each.event)), names(led))
      }
    }))

  it.effect("of too many, those the fewest steps away are given", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [wide, deep] = [below(top, "wide"), below(top, "deep")]
      yield* append(wide, breakerOff)
      yield* append(deep, breakerOff)
      const first = yield* answer(deep, undefined, "first")
      let last: Event = first
      for (const n of range(1, maxCauses)) last = yield* answer(deep, last, `n${n}`)
      const cut = yield* chain(last)
      assert.deepStrictEqual(typesOf(cut), range(1, maxCauses).map((n) => `n${n}`))
      assert.isTrue(cut.more)
      const all = yield* effects(first)
      assert.deepStrictEqual([all.lines.length, all.more], [maxCauses, false])

      yield* answerAll(wide, first, events(maxCauses - 1, "near"))
      const nearest = yield* effects(first)
      assert.isTrue(nearest.more)
      assert.deepStrictEqual(typesOf(nearest), ["n1", ...range(1, maxCauses - 1).map(() => "near")])
    }))

  it.effect("an answer is bounded in bytes too", () =>
    Effect.gen(function*() {
      const path = fresh()
      const payload = JSON.stringify("x".repeat(1_000_000))
      const first = yield* answer(path, undefined, "n0", payload)
      let last: Event = first
      const fitting = Math.ceil(maxCausesBytes / 1_000_000)
      for (const n of range(1, fitting + 1)) last = yield* answer(path, last, `n${n}`, payload)
      const up = yield* chain(last)
      assert.deepStrictEqual([typesOf(up), up.more], [range(2, fitting + 1).map((n) => `n${n}`), true])
      const down = yield* effects(first)
      assert.deepStrictEqual([typesOf(down), down.more], [range(1, fitting).map((n) => `n${n}`), true])
    }))
}

/** Random sequences of requests against a log that is an array: what it does is written down here a second time. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import type { Proposed } from "../../../src/domain/EventText.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { Directory } from "../../../src/log/Directory.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { It, Log } from "./Fixture.ts"
import { event, fresh, lines, outlineWithin, parse, within } from "./Fixture.ts"

/** Sequences that are tried: each makes streams of its own, on a real database too. */
const numRuns = 40

type Command =
  | { readonly _tag: "Append"; readonly at: number; readonly events: ReadonlyArray<Drawn> }
  | { readonly _tag: "Remove"; readonly at: number; readonly recursive: boolean }

interface Drawn {
  readonly kind: number
  readonly payload: number
  readonly key: string | undefined
  /** How far the offset that it expects is from the next one. */
  readonly distance: number | undefined
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  kind: fc.nat({ max: 9 }),
  payload: fc.nat({ max: 1 }),
  key: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom("k", "l", "m") }
  ),
  distance: fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 1) }
  )
})

const at = fc.nat({ max: 4 })
const commands: fc.Arbitrary<ReadonlyArray<Command>> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        _tag: fc.constant("Append" as const),
        at,
        // A key twice in a batch is refused before the log sees it.
        events: fc.array(drawn, { minLength: 1, maxLength: 3 })
          .filter((all) => new Set(all.map(({ key }, i) => key ?? i)).size === all.length)
      })
    },
    { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Remove" as const), at, recursive: fc.boolean() }) }
  ),
  // Fewer events than the breaker lets pass.
  { maxLength: 25 }
)

const names = ["", "/a", "/a/b", "/a/b/c", "/ab"]
const types = ["stream/paused", "stream/resumed", "stream/metadata-updated"]
const typeOf = (kind: number) => types[kind] ?? "x"
const payloadOf = ({ kind, payload }: Drawn) => kind === 2 ? `{"metadata":{"n":${payload}}}` : `{"reason":"${payload}"}`

interface Kept {
  readonly path: StreamPath
  readonly offset: number
  readonly type: string
  readonly payload: string
  readonly key: string | undefined
}

interface Stream {
  head: number
  exists: boolean
  paused: boolean
  metadata: string
}

class Model {
  order: Array<Kept> = []
  readonly streams = new Map<StreamPath, Stream>()
  readonly top: StreamPath

  constructor(top: StreamPath) {
    this.top = top
  }

  path(at: number): StreamPath {
    return StreamPath.make(`${this.top}${names[at] ?? ""}`)
  }

  of(path: StreamPath): Stream {
    return this.streams.get(path) ?? { head: 0, exists: false, paused: false, metadata: "{}" }
  }

  /** The streams above, from the top down, within the model. */
  above(path: StreamPath): ReadonlyArray<StreamPath> {
    return names.map((_, i) => this.path(i)).filter((each) => path.startsWith(`${each}/`))
  }

  propose(path: StreamPath, events: ReadonlyArray<Drawn>): ReadonlyArray<Proposed> {
    const { exists, head } = this.of(path)
    const next = head + (exists ? 1 : 2)
    return events.map((each, i) =>
      event(typeOf(each.kind), payloadOf(each), {
        idempotencyKey: each.key,
        offset: each.distance === undefined ? undefined : next + i + each.distance
      })
    )
  }

  /** What an append answers: offsets, with a mark where they were known, or the tag of an error. */
  append(path: StreamPath, events: ReadonlyArray<Proposed>): string {
    const held = this.order.filter((each) => each.path === path && each.key !== undefined)
    const matches = events.map(({ idempotencyKey }) => held.find(({ key }) => key === idempotencyKey))
    if (matches.some((match) => match !== undefined)) {
      const same = matches.every((match, i) => match?.type === events[i]?.type && match?.payload === events[i]?.payload)
      return same ? `known ${matches.map((match) => match?.offset).join()}` : "IdempotencyConflict"
    }
    const { exists, head, paused } = this.of(path)
    let next = head + (exists ? 1 : 2)
    let isPaused = paused && exists
    for (const { offset, type } of events) {
      if (offset !== undefined && offset !== next) return "OffsetMismatch"
      if (isPaused && type !== "stream/resumed") return "StreamPaused"
      if (type === "stream/paused") isPaused = true
      if (type === "stream/resumed") isPaused = false
      next++
    }
    this.open(path)
    return `new ${events.map((each) => this.record(path, each.type, each.payload, each.idempotencyKey)).join()}`
  }

  open(path: StreamPath): void {
    if (this.of(path).exists) return
    const parent = this.above(path).at(-1)
    // Up to the first that exists: what was deleted above it stays so.
    if (parent !== undefined) this.open(parent)
    this.streams.set(path, { head: this.of(path).head, exists: true, paused: false, metadata: "{}" })
    this.record(path, "stream/initialized", JSON.stringify({ path }), undefined)
    if (parent !== undefined) this.record(parent, "stream/child-created", JSON.stringify({ path }), undefined)
  }

  record(path: StreamPath, type: string, payload: string, key: string | undefined): number {
    const stream = this.of(path)
    stream.head++
    if (type === "stream/paused") stream.paused = true
    if (type === "stream/resumed") stream.paused = false
    if (type === "stream/metadata-updated") stream.metadata = payload.slice("{\"metadata\":".length, -1)
    this.order.push({ path, offset: stream.head, type, payload, key })
    return stream.head
  }

  remove(path: StreamPath, recursive: boolean): ReadonlyArray<StreamPath> {
    const removed = [...this.streams.keys()]
      .filter((each) => this.of(each).exists && (each === path || (recursive && each.startsWith(`${path}/`))))
      .toSorted()
    this.order = this.order.filter((each) => !removed.includes(each.path))
    for (const each of removed) this.of(each).exists = false
    for (const each of removed) {
      const parent = this.above(each).at(-1)
      if (parent === undefined || !this.of(parent).exists) continue
      this.record(parent, "stream/child-deleted", JSON.stringify({ path: each }), undefined)
    }
    return removed
  }
}

const check = Effect.fnUntraced(function*(sequence: ReadonlyArray<Command>) {
  const top = fresh()
  const reference = new Model(top)
  const store = yield* EventStore
  const directory = yield* Directory
  for (const command of sequence) {
    const path = reference.path(command.at)
    if (command._tag === "Remove") {
      const removed = yield* store.remove(path, { recursive: command.recursive })
      assert.deepStrictEqual(removed, reference.remove(path, command.recursive))
      continue
    }
    const events = reference.propose(path, command.events)
    const answer = yield* store.append({ path, events }).pipe(
      Effect.map(({ known, lines }) =>
        `${known ? "known" : "new"} ${parse(lines).map(({ offset }) => offset).join()}`),
      Effect.catch((error) => Effect.succeed<string>(error._tag))
    )
    assert.strictEqual(answer, reference.append(path, events))
  }
  const kept = (path: StreamPath) => reference.order.filter((each) => each.path === path)
  for (const [path, stream] of reference.streams) {
    const found = parse(yield* lines(path)).map((each) =>
      [each.offset, each.type, JSON.stringify(each.payload), each.idempotencyKey])
    assert.deepStrictEqual(found, kept(path).map(({ key, offset, payload, type }) => [offset, type, payload, key]))
    const head = Option.getOrThrow(yield* directory.describe(path))
    assert.deepInclude(head, { offset: stream.head, exists: stream.exists })
    if (!stream.exists) continue
    assert.deepInclude(head.core, { metadata: stream.metadata })
    assert.strictEqual(head.core.paused !== null, stream.paused)
  }
  const listed = yield* directory.children(top, { recursive: true, limit: 100 })
  assert.deepStrictEqual(
    listed.map(({ head, path }) => [path, head]),
    [...reference.streams.keys()].toSorted()
      .filter((path) => path !== top && reference.of(path).exists)
      .map((path) => [path, reference.of(path).head])
  )
  assert.deepStrictEqual(
    outlineWithin((yield* within(top)).found),
    reference.order.map(({ offset, path, type }) => `${path} ${offset} ${type}`)
  )
})

export const model = (it: It): void => {
  it.effect("random requests do what they do to an array", () =>
    Effect.flatMap(Effect.context<Log>(), (context) =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(commands, (sequence) => Effect.runPromiseWith(context)(check(sequence))),
          { numRuns }
        )
      )))
}

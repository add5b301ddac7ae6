/** How much a tail reads of a log. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { propose } from "../../src/domain/EventText.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { Tail } from "../../src/log/Tail.ts"

const memory = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))
const path = StreamPath.make("/counted")

it.effect("a tail reads no more than its reader counts on, and goes on where that was too little", () =>
  Effect.gen(function*() {
    const store = yield* EventStore
    const growth = yield* Growth
    const events = Array.from({ length: 9 }, () => propose({ type: "ping" }))
    yield* store.append({ path, events })
    const limits: Array<number | undefined> = []
    const counted: EventStore["Service"] = {
      ...store,
      read: (path, options) => {
        limits.push(options.limit)
        return store.read(path, options)
      }
    }
    const tail = new Tail(counted, growth, path, { after: 0, limit: 4, live: false })
    const step = Effect.map(tail.next, (step) => step._tag === "Events" ? step.page.lines.length : step._tag)
    assert.strictEqual(yield* step, 4)
    yield* Effect.yieldNow
    assert.deepStrictEqual(limits, [4])
    assert.strictEqual(yield* step, 6)
    assert.strictEqual(yield* step, "End")
    assert.deepStrictEqual(limits, [4, undefined])
    tail.close()
  }).pipe(Effect.provide(memory)))

import { assert, describe, it } from "@effect/vitest"
import { DateTime, Option, Schema } from "effect"
import type { Event } from "../../src/domain/Event.ts"
import { Offset } from "../../src/domain/Event.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"

const Rang = EventType.make(
  "reminder/rang",
  Schema.Struct({ id: Schema.NonEmptyString, at: Schema.DateTimeUtcFromString })
)
const at = DateTime.makeUnsafe("2026-04-01T10:00:00.000Z")

const recorded = (type: string, payload: Schema.Json): Event => ({
  offset: Offset.make(2),
  type,
  payload,
  metadata: { by: "me" },
  streamPath: StreamPath.make("/a"),
  createdAt: at
})

describe("EventType", () => {
  it("makes an event whose payload is JSON already", () => {
    const made = Rang.make({ id: "tea", at })
    assert.strictEqual(made.type, "reminder/rang")
    assert.deepStrictEqual(made.payload, { id: "tea", at: "2026-04-01T10:00:00.000Z" })
    assert.deepStrictEqual(Object.keys(made), ["type", "payload"])
  })

  it("adds what an append may add", () => {
    const made = Rang.make({ id: "tea", at }, { idempotencyKey: "k", metadata: { a: 1 }, offset: 3 })
    assert.deepInclude({ ...made }, { idempotencyKey: "k", metadata: { a: 1 }, offset: 3 })
  })

  it("throws where the payload does not fit its own schema", () => {
    assert.throws(() => Rang.make({ id: "", at }))
  })

  it("encodes what plain JSON cannot hold", () => {
    const Measured = EventType.make("measured", Schema.Struct({ when: Schema.Date, big: Schema.BigInt }))
    const made = Measured.make({ when: new Date(0), big: 12n })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(made.payload)), made.payload)
    const decoded = Option.getOrThrow(Measured.decode(recorded("measured", made.payload)))
    assert.deepStrictEqual(decoded.payload, { when: new Date(0), big: 12n })
  })

  it("decodes an event of its type, and keeps the rest of it", () => {
    const event = recorded("reminder/rang", { id: "tea", at: "2026-04-01T10:00:00.000Z" })
    const decoded = Option.getOrThrow(Rang.decode(event))
    assert.deepStrictEqual(decoded, { ...event, type: "reminder/rang", payload: { id: "tea", at } })
  })

  it("another type, or a payload that does not fit, is not that event", () => {
    const payload = { id: "tea", at: "2026-04-01T10:00:00.000Z" }
    assert.isTrue(Option.isNone(Rang.decode(recorded("reminder/set", payload))))
    for (const other of [{ ...payload, id: "" }, { ...payload, at: "soon" }, { id: "tea" }, null, [], "tea"]) {
      assert.isTrue(Option.isNone(Rang.decode(recorded("reminder/rang", other))))
    }
  })
})

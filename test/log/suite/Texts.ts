/** What was sent comes back as it was written. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { encode } from "../../../src/domain/EventText.ts"
import * as JsonText from "../../../src/domain/JsonText.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import { append, breakerOff, event, fresh, lines, parse, payloadText, within } from "./Fixture.ts"

/** Minified texts that a value, or `jsonb`, would not survive. */
const delicate = [
  "1.0",
  "-0",
  "1e400",
  "1E+2",
  "9007199254740993",
  "0.1000000000000000055511151231257827",
  "{\"b\":1,\"a\":2,\"10\":3,\"9\":4}",
  "{\"a\":1,\"a\":2}",
  "{\"__proto__\":{\"x\":1},\"constructor\":null}",
  "\"\\u0000\"",
  "{\"\\u0000\":\"a\\u0000b\"}",
  "\"\\ud800\"",
  "[\"\\udc00\\ud800\",\"\\uD83D\\uDE00\"]",
  "\"\\u0041\\/\\b\\u2028\"",
  "\" spaces  in a string \\t \"",
  "\"è — 😀 \u2028 \u007f\"",
  "\"\"",
  "null",
  "{}",
  "[]",
  `${"[".repeat(512)}${"]".repeat(512)}`,
  `${"{\"a\":".repeat(511)}1${"}".repeat(511)}`,
  "\"\\\\\\\"\\\\\"",
  "\"\\\\n is no line break\"",
  "\"%s $1 ${x} :name ? '' \\\\x00 {},NULL\""
]

export const texts = (it: It): void => {
  it.effect("payload and metadata stay the text that was sent", () =>
    Effect.gen(function*() {
      const path = fresh()
      const proposed = delicate.map((text) => event("kept", text, { metadata: `{"m":${text}}` }))
      const appended = yield* append(path, ...proposed)
      const read = yield* lines(path, { types: ["kept"] })
      assert.deepStrictEqual(read.map(payloadText), delicate)
      assert.deepStrictEqual(
        read.map((line) => JsonText.members(line, ["metadata"])[0]),
        delicate.map((text) => `{"m":${text}}`)
      )
      assert.deepStrictEqual(appended.lines, read)
      assert.deepStrictEqual((yield* within(path)).found.slice(1).map(({ line }) => line), read)
    }))

  it.effect("type and key stay as they were sent, and a stored line is what encode makes", () =>
    Effect.gen(function*() {
      const path = fresh()
      const controls = "\t\n\r\u0001\u001f\u007f\u2028"
      const names = ["plain", "è — 😀", "with \"quotes\" and \\ / '", controls, "x".repeat(256)]
      const proposed = names.map((name) => event(name, "{\"a\":1}", { idempotencyKey: name }))
      const appended = yield* append(path, ...proposed)
      const stored = yield* lines(path, { types: names })
      assert.deepStrictEqual(stored, appended.lines)
      assert.deepStrictEqual(yield* append(path, ...proposed), { lines: stored, known: true })
      for (const [i, each] of parse(stored).entries()) {
        const fields: Record<string, unknown> = { ...each }
        assert.deepInclude(fields, { type: names[i], idempotencyKey: names[i], streamPath: path, offset: i + 2 })
        const createdAt = each.createdAt.epochMilliseconds
        const recorded = { ...each, metadata: undefined, payload: "{\"a\":1}", createdAt }
        assert.strictEqual(stored[i], encode(recorded))
      }
    }))

  it.effect("a cause is kept", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      const [first] = parse((yield* append(path, event("asked"))).lines)
      assert.isDefined(first)
      if (first === undefined) return
      const cause = { streamPath: path, offset: first.offset, processor: "a \"quoted\" one", hops: 3 }
      const answered = yield* store.append({ path, events: [event("answered", "{}", { metadata: "{}" })], cause })
      const plain = { streamPath: path, offset: first.offset, hops: 0 }
      const again = yield* store.append({ path, events: [event("answered")], cause: plain })
      const stored = yield* lines(path, { types: ["answered"] })
      assert.deepStrictEqual(stored, [...answered.lines, ...again.lines])
      assert.deepStrictEqual(parse(stored).map((each) => each.cause), [cause, plain])
    }))

  it.effect("an event of a megabyte is kept", () =>
    Effect.gen(function*() {
      const path = fresh()
      const payload = JSON.stringify("é".repeat(500_000))
      yield* append(path, breakerOff, event("big", payload))
      assert.deepStrictEqual((yield* lines(path, { types: ["big"] })).map(payloadText), [payload])
    }))
}

/** Appends over HTTP whose numbers, names or lengths are unusual. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as StreamUrl from "../../src/http/StreamUrl.ts"
import { layer as server, TestServer } from "./TestServer.ts"

const json = { "content-type": "application/json" }

layer(server())("appends", (it) => {
  it.effect("keep a body that is no event, however large its numbers", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestServer
      const body = "{\"a\":1e400}"
      const kept = yield* ask("/api/streams/large", { method: "POST", headers: json, body })
      assert.strictEqual(kept.status, 201, kept.text)
      assert.include(kept.text, "\"type\":\"webhook/received\"")
      assert.include(kept.text, "\"body\":{\"a\":1e400}")
      // What a sender says that it is, is judged.
      const named = yield* ask("/api/streams/large?as=stream/error-occurred", { method: "POST", headers: json, body })
      assert.strictEqual(named.status, 422, named.text)
    }))

  it.effect("of more than a slice are read as they were written", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestServer
      const text = "è — 😀 ".repeat(40_000)
      const body = JSON.stringify({ type: "long", payload: text })
      const sent = yield* ask("/api/streams/long", { method: "POST", headers: json, body })
      assert.strictEqual(sent.status, 201, sent.text)
      const read = yield* ask("/api/streams/long?format=ndjson&live=false&afterOffset=1")
      assert.strictEqual(read.text.trimEnd(), sent.text)
      const framed = yield* ask("/api/streams/long?format=sse&live=false&afterOffset=1")
      assert.include(framed.text, `data: ${sent.text}\n`)
    }))
})

describe("a URL whose path does not begin with a slash", () => {
  it("names no stream", () => {
    for (const url of ["/api/streams;foo", "/api/streamsfoo?x", "/api/streams%2Ffoo"]) {
      const parsed = StreamUrl.parse(url, "/api/streams")
      assert.strictEqual(Result.isFailure(parsed) ? parsed.failure._tag : parsed.success.path, "InvalidPath")
    }
  })
})

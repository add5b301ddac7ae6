import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { policy } from "../../src/http/Docs.ts"
import { layer as server, TestServer } from "./TestServer.ts"

const parse = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))
const ask = (path: string) => Effect.flatMap(TestServer, (server) => server.ask(path))

layer(server())("the documents", (it) => {
  it.effect("are the contract", () =>
    Effect.gen(function*() {
      const { headers, status, text } = yield* ask("/openapi.json")
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "application/json")
      assert.deepEqual(parse(text), parse(JSON.stringify(OpenApi.fromApi(Api))))
      assert.strictEqual((yield* ask("/openapi.json?versoin=3")).status, 400)
    }))

  it.effect("are a page that asks no other host", () =>
    Effect.gen(function*() {
      const { headers, status, text } = yield* ask("/docs")
      assert.strictEqual(status, 200)
      assert.include(headers["content-type"], "text/html")
      assert.strictEqual(headers["content-security-policy"], policy)
      // Whatever the script tries: a browser lets it reach nothing but this server.
      const sources = policy.split("; ").flatMap((directive) => directive.split(" ").slice(1))
      assert.deepEqual(
        [...new Set(sources)].toSorted(),
        ["'none'", "'self'", "'unsafe-inline'", "data:"]
      )
      assert.include(policy, "default-src 'none'")
      // What is written in the page itself loads nothing at all.
      const markup = text.replaceAll(/<script>[^]*?<\/script>/g, "")
      assert.isBelow(markup.length, 2_000)
      assert.notMatch(markup, /\b(?:src|href|action|poster)\s*=|url\(|@import|<link|<iframe|<script/)
      assert.notMatch(markup, /https?:|\/\/[a-z]/)
      assert.notMatch(text, /<script[^>]*\ssrc=/)
      assert.include(text, "\"withDefaultFonts\":false")
    }))
})

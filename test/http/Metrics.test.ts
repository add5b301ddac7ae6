/** What the server counts. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { get } from "node:http"
import * as Fact from "../faults/Fact.ts"
import { ask } from "./Asked.ts"
import { layer as server, TestServer } from "./TestServer.ts"

/** The value of a metric without labels. */
const metric = (name: string) =>
  Effect.map(ask("/metrics"), ({ text }) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1]))

layer(server({ maxTails: 2 }))("metrics", (it) => {
  it.effect("are in Prometheus' format", () =>
    Effect.map(ask("/metrics"), ({ headers, status }) => {
      assert.strictEqual(status, 200)
      assert.include(headers["content-type"], "text/plain; version=0.0.4")
    }))

  it.effect("count the tails that are open", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const open = Effect.acquireRelease(
        Effect.callback<ReturnType<typeof get>>((resume) => {
          const sent = get({ host: "127.0.0.1", port, path: "/api/streams/counted", agent: false }, (response) => {
            response.resume()
            resume(Effect.succeed(sent))
          })
          sent.on("error", () => undefined)
        }),
        (sent) => Effect.sync(() => sent.destroy())
      )
      const run = Effect.runPromiseWith(yield* Effect.context<TestServer>())
      const settles = (value: number) =>
        Effect.promise(() =>
          Fact.until(`${value} open tails`, async () => (await run(metric("millstream_open_tails"))) === value)
        )
      yield* Effect.scoped(Effect.gen(function*() {
        yield* open
        yield* settles(1)
        yield* open
        yield* settles(2)
        assert.strictEqual((yield* ask("/api/streams/counted")).status, 503)
      }))
      yield* settles(0)
      assert.strictEqual((yield* ask("/api/streams/counted?live=false")).status, 200)
      yield* settles(0)
    }))
})

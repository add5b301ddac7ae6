/** What a page costs between Postgres and the service, seen by a relay that counts the bytes which Postgres sends. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { createConnection, createServer } from "node:net"
import { decode } from "../../src/domain/EventText.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import { pageBytes } from "../../src/log/EventStore.ts"
import * as PgPrefix from "../../src/log/PgPrefix.ts"
import * as PgReader from "../../src/log/PgReader.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, below, event, fresh, lines, start, within } from "./suite/Fixture.ts"

/** A port that leads to Postgres, and how many bytes came from there. */
const relay = (target: { readonly host: string; readonly port: number }) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly sent: () => number; readonly close: () => void }>((resume) => {
      let sent = 0
      const server = createServer((client) => {
        const postgres = createConnection(target)
        postgres.on("data", (chunk) => sent += chunk.length)
        postgres.on("error", () => client.destroy())
        client.on("error", () => postgres.destroy())
        client.pipe(postgres)
        postgres.pipe(client)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, sent: () => sent, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** Readers behind a relay, and what Postgres sends them for a call. */
const readers = Effect.gen(function*() {
  const { config } = yield* PgClient.PgClient
  const { port, sent } = yield* relay({ host: config.host ?? "127.0.0.1", port: config.port ?? 5_432 })
  const client = yield* Layer.build(PgClient.layer({ ...config, port, maxConnections: 1 }))
  return {
    readPage: yield* Effect.provide(PgReader.make, client),
    readWithin: yield* Effect.provide(PgPrefix.make, client),
    sentFor: <A, E>(call: Effect.Effect<A, E>) =>
      Effect.gen(function*() {
        const before = sent()
        const value = yield* call
        return { value, bytes: sent() - before }
      })
  }
})

const half = JSON.stringify("x".repeat(pageBytes / 2))
const big = event("big", half, { metadata: `{"m":${half}}` })

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("PgReader", (it) => {
  it.effect("a page is sent no payload and no metadata that it has no room for", () =>
    Effect.gen(function*() {
      const path = fresh()
      for (let i = 0; i < 10; i++) yield* append(path, big)
      const { readPage, sentFor } = yield* readers
      const { bytes, value } = yield* sentFor(readPage(path, { after: 1 }))
      assert.strictEqual(value.lines.length, 1)
      assert.isBelow(bytes, 1.5 * pageBytes)
      assert.strictEqual((yield* lines(path)).length, 11)
    }))

  it.effect("a page across streams is sent no line that it has no room for, merged or walked", () =>
    Effect.gen(function*() {
      const top = fresh()
      for (const name of ["a", "b", "c"]) for (let i = 0; i < 4; i++) yield* append(below(top, name), big)
      const { found } = yield* within(top)
      const { readWithin, sentFor } = yield* readers
      const first = found[0]?.cursor ?? start
      for (const prefix of [top, Path.root]) {
        const seen: Array<string> = []
        for (let after = first, more = true; more;) {
          const { bytes, value } = yield* sentFor(readWithin(prefix, { after }))
          assert.isBelow(bytes, 2 * pageBytes)
          seen.push(...value.lines.map(({ line }) => line).filter((line) => decode(line).streamPath !== Path.root))
          after = value.last
          more = value.more
        }
        assert.deepStrictEqual(seen, found.slice(1).map(({ line }) => line))
      }
    }))
})

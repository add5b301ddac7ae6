/** What the tests of routes ask, and how they read the answers. */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { propose } from "../../src/domain/EventText.ts"
import { StreamError } from "../../src/domain/StreamError.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import type { Asking } from "./TestServer.ts"
import { TestServer } from "./TestServer.ts"

/** Asks the server in scope. */
export const ask = (path: string, asking?: Asking) => Effect.flatMap(TestServer, (server) => server.ask(path, asking))

/** Asks for JSON that fits a schema. */
export const json = <S extends Schema.ConstraintCodec<unknown, unknown>>(schema: S, path: string, asking?: Asking) =>
  Effect.map(ask(path, asking), ({ headers, status, text }) => {
    assert.strictEqual(status, 200, text)
    assert.strictEqual(headers["content-type"], "application/json")
    return Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(schema)))(text)
  })

/** Asks for what is refused, as a problem document of the contract. */
export const problem = (path: string, asking?: Asking) =>
  Effect.map(ask(path, asking), ({ headers, status, text }) => {
    assert.strictEqual(headers["content-type"], "application/problem+json", text)
    const error = Schema.decodeSync(Schema.fromJsonString(StreamError))(text)
    return { status, error, headers }
  })

/** Appends without a request. */
export const append = (path: string, event: { readonly type: string; readonly payload?: Schema.Json }) =>
  Effect.flatMap(EventStore, (store) => store.append({ path: StreamPath.make(path), events: [propose(event)] }))

/** Strangers share a room of their own for the bodies that they send: they take none of anybody else's. */
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as BodyRoom from "../../../src/http/BodyRoom.ts"
import { crowded, left, start } from "../Crowding.ts"
import { layer as server } from "../TestServer.ts"
import { asking, secrets, token, values } from "./Posting.ts"
import { samples, sign } from "./Sent.ts"

const { body } = samples.gitHubPush
const signature = sign("github", values.github[0], body, 0)
const stranger = { ...signature, "content-type": "application/json", "content-length": Buffer.byteLength(body) }
const client = { ...stranger, authorization: `Bearer ${token}` }

layer(server({ token: Redacted.make(token) }, { secrets }), { excludeTestServices: true })("a stranger", (it) => {
  it.effect("finds no room where other strangers have taken theirs, and clients find theirs", () =>
    Effect.gen(function*() {
      const path = yield* asking("github")
      yield* crowded(BodyRoom.ofStrangers, Effect.gen(function*() {
        const refused = yield* start(stranger, path)
        refused.sent.write(body.slice(0, 5))
        const { retryAfter, status } = yield* refused.answer
        assert.deepStrictEqual([status, retryAfter], [503, "1"])
        refused.sent.destroy()
        const taken = yield* start(client, path)
        taken.sent.write(body.slice(0, 5))
        taken.sent.end(body.slice(5))
        assert.strictEqual((yield* taken.answer).status, 201)
      }))
    }))

  it.effect("takes no room of others, and gives its own back", () =>
    Effect.gen(function*() {
      const path = yield* asking("github")
      const own = BodyRoom.ofStrangers.free
      const others = BodyRoom.ofProcess.free
      assert.isBelow(own, others)
      const { answer, sent } = yield* start(stranger, path)
      sent.write(body.slice(0, 5))
      yield* left(BodyRoom.ofStrangers, own - 5)
      assert.strictEqual(BodyRoom.ofProcess.free, others)
      sent.end(body.slice(5))
      assert.strictEqual((yield* answer).status, 201)
      assert.strictEqual(BodyRoom.ofStrangers.free, own)
    }))
})

/** Bodies that are sent part by part, and rooms for them that are taken. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { request as send } from "node:http"
import type { IncomingMessage } from "node:http"
import type { BodyRoom } from "../../src/http/BodyRoom.ts"
import * as Fact from "../faults/Fact.ts"
import { patience, TestServer } from "./TestServer.ts"

/** Takes all of a room there is, for as long as the effect runs. */
export const crowded = <A, E, R>(room: BodyRoom, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const bytes = room.free
      assert.isTrue(room.take(bytes))
      return bytes
    }),
    () => effect,
    (bytes) => Effect.sync(() => room.giveBack(bytes))
  )

/** A request whose body is sent part by part. */
export const start = (headers: Record<string, string | number> = {}, path = "/room") =>
  Effect.map(TestServer, ({ port }) => {
    const url = `/api/streams${path}`
    const sent = send({ host: "127.0.0.1", port, path: url, method: "POST", headers, agent: false })
    sent.setTimeout(patience, () => sent.destroy(new Error(`${url} was not answered in ${patience} ms`)))
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once("response", resolve)
      sent.once("error", reject)
    })
    // Who sends a body and goes hears of no answer.
    answered.catch(() => undefined)
    return {
      sent,
      answer: Effect.promise(async () => {
        const response = await answered
        let text = ""
        for await (const part of response.setEncoding("utf8")) text += part
        return { status: response.statusCode, retryAfter: response.headers["retry-after"], text }
      })
    }
  })

/** Waits until a room has so many bytes left. */
export const left = (room: BodyRoom, bytes: number) =>
  Effect.timeout(Effect.promise(() => Fact.until(`room for ${bytes} bytes`, () => room.free === bytes)), patience)

import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import * as Egress from "../../src/egress/Egress.ts"
import * as Receiver from "./Receiver.ts"
import { failure, post, text } from "./Sending.ts"

/** Takes connections and says nothing; `opened` is done with the first bytes, `closed` when the first one ends. */
const silent = Effect.gen(function*() {
  const opened = yield* Deferred.make<string>()
  const closed = yield* Deferred.make<void>()
  const server = createServer((socket) => {
    socket.once("data", (data) => Deferred.doneUnsafe(opened, Effect.succeed(data.toString("latin1"))))
    socket.on("error", () => {})
    socket.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) =>
      void server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    ),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )
  return { port, opened: Deferred.await(opened), closed: Deferred.await(closed) }
})

/** For hooks.test until 2125; the authority is used for nothing else, and its key is gone. */
const fixture = (name: string): string => readFileSync(new URL(`certificate/${name}.pem`, import.meta.url), "utf8")

describe("a connection", () => {
  it.effect("asks by TLS for the name of the URL, and is closed too where it does not come about", () =>
    Effect.gen(function*() {
      const { closed, opened, port } = yield* silent
      const { send } = yield* Egress.make({ allow: [`hooks.test:${port}`] }, {
        resolve: Receiver.resolving("127.0.0.1")
      })
      const sending = yield* Effect.forkChild(send(post(`https://hooks.test.:${port}/`)))
      const hello = yield* opened
      assert.include(hello, "hooks.test")
      assert.notInclude(hello, "hooks.test.")
      yield* Fiber.interrupt(sending)
      yield* closed
    }))

  it.effect("by TLS is used where its certificate is signed by an authority and names the host, and else not", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make((response) => response.end("here"), {
        key: fixture("key"),
        cert: fixture("certificate")
      })
      const from = (host: string, authority?: string) =>
        Effect.flatMap(
          Egress.make({ allow: [`${host}:${receiver.port}`] }, { resolve: Receiver.resolving("127.0.0.1"), authority }),
          ({ send }) => send(post(`https://${host}:${receiver.port}/`))
        )
      const authority = fixture("authority")
      assert.strictEqual(text(yield* from("hooks.test", authority)), "here")
      assert.strictEqual(text(yield* from("hooks.test", authority)), "here")
      assert.include(yield* failure(from("hooks.test")), "certificate")
      assert.include(yield* failure(from("other.test", authority)), "certificate")
      assert.include(yield* failure(from("127.0.0.1", authority)), "certificate")
      assert.lengthOf(receiver.requests, 2)
    }))

  it.effect("is closed with the service, idle or in use", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make((response, { path }) => {
        if (path === "/hook") response.end()
      })
      const hanging = yield* Effect.scoped(Effect.gen(function*() {
        const { send } = yield* Egress.make({ allow: [receiver.target] })
        const hanging = yield* Effect.forkDetach(failure(send(post(`${receiver.url}/hangs`))))
        yield* receiver.arrived(1)
        yield* send(post(receiver.url))
        return hanging
      }))
      yield* receiver.closed(2)
      assert.include(yield* Fiber.join(hanging), "The service stops")
    }))
})

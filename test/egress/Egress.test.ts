import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Egress from "../../src/egress/Egress.ts"
import * as Receiver from "./Receiver.ts"
import { between, failed, failure, post, text } from "./Sending.ts"

describe("an exchange", () => {
  it.effect("sends what it is given, and gives back the answer", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) =>
        response.writeHead(202, { "X-One": "1", "Set-Cookie": ["a=1", "b=2"] }).end("\u00e4")
      )
      const headers = { "Webhook-Id": "7" }
      const response = yield* send(post(`${receiver.url}?q=1#f`, { headers, body: "{\"\u00e4\":1}" }))
      assert.strictEqual(response.status, 202)
      assert.strictEqual(response.headers["x-one"], "1")
      assert.strictEqual(response.headers["set-cookie"], "a=1, b=2")
      assert.strictEqual(text(response), "\u00e4")
      yield* send(post(receiver.url, { body: new TextEncoder().encode("bytes") }))
      const got = yield* send(post(receiver.url, { method: "GET", body: undefined, headers: {} }))
      assert.strictEqual(got.status, 202)
      const [first, second, third] = receiver.requests
      assert.strictEqual(first?.path, "/hook?q=1")
      assert.strictEqual(first?.body, "{\"\u00e4\":1}")
      assert.strictEqual(first?.headers["webhook-id"], "7")
      assert.strictEqual(first?.headers.host, receiver.target)
      assert.strictEqual(first?.headers["content-length"], "8")
      assert.strictEqual(second?.body, "bytes")
      assert.strictEqual(third?.method, "GET")
    }))

  it.effect("follows no redirect", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) => response.writeHead(307, { location: "/elsewhere" }).end())
      const response = yield* send(post(receiver.url))
      assert.strictEqual(response.status, 307)
      assert.strictEqual(response.headers["location"], "/elsewhere")
      assert.lengthOf(receiver.requests, 1)
    }))

  it.effect("uses its connection again", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) => response.end("a".repeat(70_000)))
      for (let n = 0; n < 20; n++) assert.lengthOf((yield* send(post(receiver.url))).body, 70_000)
      assert.strictEqual(receiver.opened(), 1)
    }))

  it.effect("is not held up by another that hangs, at the same receiver", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, { path }) => {
        if (path === "/hook") response.end("here")
      })
      yield* send(post(receiver.url))
      const hanging = yield* Effect.forkChild(Effect.all(
        Array.from({ length: 20 }, () => send(post(`${receiver.url}/hangs`))),
        { concurrency: "unbounded" }
      ))
      yield* receiver.arrived(21)
      assert.strictEqual(text(yield* send(post(receiver.url))), "here")
      yield* Fiber.interrupt(hanging)
      yield* receiver.closed(20)
    }))

  it.effect("waits for a place at its receiver, not for those that hang at another", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make(() => {})
      const other = yield* Receiver.make((response) => response.end("here"))
      const { send } = yield* Egress.make({ allow: [receiver.target, other.target] })
      const sending = yield* Effect.forEach(
        Array.from({ length: 5_000 }),
        () => Effect.forkChild(send(post(receiver.url)))
      )
      yield* receiver.arrived(64)
      assert.strictEqual(text(yield* send(post(other.url))), "here")
      assert.lengthOf(receiver.requests, 64)
      const [first] = sending
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* receiver.arrived(65)
      // Those that wait first, or each would have its turn before.
      yield* Fiber.interruptAll(sending.toReversed())
      yield* receiver.closed(65)
      assert.strictEqual(receiver.opened(), 65)
    }))

  it.effect("keeps a bounded number of idle connections", () =>
    Effect.gen(function*() {
      let waiting: Array<() => void> = []
      const { receiver, send } = yield* between((response) => {
        waiting.push(() => response.end())
        if (waiting.length < 40) return
        for (const answer of waiting) answer()
        waiting = []
      })
      const many = Effect.all(Array.from({ length: 40 }, () => send(post(receiver.url))), { concurrency: "unbounded" })
      yield* many
      assert.strictEqual(receiver.opened(), 40)
      yield* many
      assert.strictEqual(receiver.opened(), 64)
    }))

  it.effect("goes on where a receiver closed the idle connection", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, _, socket) => {
        response.end("here", () => socket.end())
      })
      for (let n = 1; n <= 5; n++) {
        assert.strictEqual(text(yield* send(post(receiver.url))), "here")
        yield* receiver.closed(n)
      }
      assert.strictEqual(receiver.opened(), 5)
    }))
})

describe("a receiver that", () => {
  it.effect("hangs runs into the time limit, before its headers or in its body", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, { path }) => {
        if (path === "/body") response.write("a")
        if (path === "/answers") response.end()
      })
      for (const path of ["headers", "body"]) {
        const sending = yield* Effect.forkChild(failed(send(post(`http://${receiver.target}/${path}`))))
        yield* receiver.arrived(receiver.requests.length + 1)
        // What has been written before has come by the time that this one has its answer.
        yield* send(post(`http://${receiver.target}/answers`))
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(sending.pollUnsafe())
        yield* TestClock.adjust("1 second")
        const { reason, status } = yield* Fiber.join(sending)
        assert.strictEqual(reason, "No complete answer within 30s")
        assert.isUndefined(status)
      }
      yield* receiver.closed(2)
    }))

  it.effect("is no longer waited for has its connection closed", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between(() => {})
      const sending = yield* Effect.forkChild(send(post(receiver.url)))
      yield* receiver.arrived(1)
      yield* Fiber.interrupt(sending)
      yield* receiver.closed(1)
    }))

  it.effect("resets or closes the connection, before its headers or in its body, has not answered", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, { path }, socket) => {
        if (path === "/reset") socket.resetAndDestroy()
        else if (path === "/vanish") socket.destroy()
        else if (path === "/short") response.writeHead(200, { "content-length": "10" }).write("a", () => socket.end())
        else if (path === "/chunked") response.write("a", () => socket.end())
        else if (path === "/gone") response.writeHead(410).write("a", () => socket.resetAndDestroy())
        else if (path === "/reset-body") response.write("a", () => socket.resetAndDestroy())
        else socket.end("this is no HTTP\r\n\r\n")
      })
      const paths = ["reset", "vanish", "short", "chunked", "reset-body", "gone", "garbage"]
      for (const path of paths) {
        const { status } = yield* failed(send(post(`http://${receiver.target}/${path}`)))
        assert.strictEqual(status, path === "gone" ? 410 : undefined, path)
      }
      // Nothing is sent a second time.
      assert.lengthOf(receiver.requests, paths.length)
    }))

  it.effect("is not there, or has no name, has not answered", () =>
    Effect.gen(function*() {
      const { target, url } = yield* Effect.scoped(Receiver.make(() => {}))
      const { send } = yield* Egress.make({ allow: [target] })
      assert.strictEqual(yield* failure(send(post(url))), "The connection was refused")
      const unknown = yield* Egress.make({ allow: [] }, { resolve: Receiver.resolving(new Error("it has no name")) })
      assert.include(yield* failure(unknown.send(post("http://hooks.test/"))), "it has no name")
      const empty = yield* Egress.make({ allow: [] }, { resolve: Receiver.resolving() })
      assert.include(yield* failure(empty.send(post("http://hooks.test/"))), "hooks.test has no address")
    }))

  it.effect("never stops is cut off, and its connection closed", () =>
    Effect.gen(function*() {
      const chunk = Buffer.alloc(10_000)
      const { receiver, send } = yield* between((response) => {
        const more = () => {
          while (!response.destroyed && response.write(chunk));
        }
        response.on("drain", more)
        more()
      })
      assert.strictEqual(yield* failure(send(post(receiver.url))), "The answer has more than 100000 bytes")
      yield* receiver.closed(1)
    }))

  it.effect("answers too much has said with which status all the same", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) => response.writeHead(410).end("a".repeat(200_000)))
      const { reason, status } = yield* failed(send(post(receiver.url)))
      assert.strictEqual(reason, "The answer has more than 100000 bytes")
      assert.strictEqual(status, 410)
    }))

  it.effect("answers exactly the bound is within it, and with one byte more is not", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, { body }) => response.end("a".repeat(Number(body))))
      for (const bytes of [0, 1, 1_024, 1_025, 5_000]) {
        const body = String(bytes)
        assert.lengthOf((yield* send(post(receiver.url, { body, maxResponseBytes: bytes }))).body, bytes)
        if (bytes === 0) continue
        const reason = yield* failure(send(post(receiver.url, { body, maxResponseBytes: bytes - 1 })))
        assert.strictEqual(reason, `The answer has more than ${bytes - 1} bytes`)
      }
    }))

  it.effect("sends more headers than anyone needs has not answered", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) =>
        response.writeHead(200, { "x-a": "a".repeat(20_000) }).end()
      )
      assert.strictEqual(yield* failure(send(post(receiver.url))), "The answer's headers are too large")
    }))
})

import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { createServer } from "node:net"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import type { Request } from "../../src/egress/Egress.ts"
import * as Egress from "../../src/egress/Egress.ts"
import * as Receiver from "./Receiver.ts"

const post = (url: string, options: Partial<Request> = {}): Request => ({
  url,
  method: "POST",
  headers: { "content-type": "application/json" },
  body: "{}",
  timeout: "30 seconds",
  maxResponseBytes: 100_000,
  ...options
})

/** A receiver, and what sends to it. */
const between = Effect.fnUntraced(function*(answer: Receiver.Answer) {
  const receiver = yield* Receiver.make(answer)
  const { send } = yield* Egress.make({ allow: [receiver.target] })
  return { receiver, send }
})

const failure = (sending: Effect.Effect<Egress.Response, Egress.EgressRefused | Egress.EgressFailed>) =>
  Effect.map(Effect.flip(sending), (error) => {
    assert.strictEqual(error._tag, "EgressFailed", error.message)
    return error.reason
  })

const text = (response: Egress.Response): string => new TextDecoder().decode(response.body)

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
      })
      for (const [n, url] of [receiver.url, `http://${receiver.target}/body`].entries()) {
        const sending = yield* Effect.forkChild(failure(send(post(url))))
        yield* receiver.arrived(n + 1)
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(sending.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(sending), "No complete answer within 30s")
        yield* receiver.closed(n + 1)
      }
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
        else if (path === "/reset-body") response.write("a", () => socket.resetAndDestroy())
        else socket.end("this is no HTTP\r\n\r\n")
      })
      const paths = ["reset", "vanish", "short", "chunked", "reset-body", "garbage"]
      for (const path of paths) yield* failure(send(post(`http://${receiver.target}/${path}`)))
      // Nothing is sent a second time.
      assert.lengthOf(receiver.requests, paths.length)
    }))

  it.effect("is not there, or has no name, has not answered", () =>
    Effect.gen(function*() {
      const { target, url } = yield* Effect.scoped(Receiver.make(() => {}))
      const { send } = yield* Egress.make({ allow: [target] })
      assert.strictEqual(yield* failure(send(post(url))), "The connection was refused")
      const unknown = yield* Egress.make({ allow: [] }, {
        resolve: (name, answer) => answer(Object.assign(new Error(name), { code: "ENOTFOUND" }), [])
      })
      assert.strictEqual(yield* failure(unknown.send(post("http://hooks.test/"))), "Its name has no address")
      const empty = yield* Egress.make({ allow: [] }, { resolve: (_, answer) => answer(null, []) })
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

describe("a compressed answer", () => {
  const plain = "a plain answer, ".repeat(1_000)
  const bytes: { readonly [encoding: string]: Buffer } = {
    gzip: gzipSync(plain),
    GZIP: gzipSync(plain),
    "x-gzip": gzipSync(plain),
    deflate: deflateSync(plain),
    "deflate ": deflateRawSync(plain),
    br: brotliCompressSync(plain)
  }

  it.effect("is decoded", () =>
    Effect.gen(function*() {
      for (const [encoding, body] of Object.entries(bytes)) {
        const { receiver, send } = yield* between((response) =>
          response.writeHead(200, { "content-encoding": encoding, "content-length": body.length }).end(body)
        )
        const response = yield* send(post(receiver.url))
        assert.strictEqual(text(response), plain, encoding)
        assert.notProperty(response.headers, "content-encoding")
        assert.notProperty(response.headers, "content-length")
      }
    }))

  it.effect("is counted as it is decoded, so that a bomb does not go off", () =>
    Effect.gen(function*() {
      const large = Buffer.alloc(200_000_000)
      for (const [encoding, bomb] of [["gzip", gzipSync(large)], ["br", brotliCompressSync(large)]] as const) {
        const { receiver, send } = yield* between((response) =>
          response.writeHead(200, { "content-encoding": encoding }).end(bomb)
        )
        const before = process.memoryUsage().arrayBuffers
        assert.strictEqual(yield* failure(send(post(receiver.url))), "The answer has more than 100000 bytes")
        assert.isBelow(process.memoryUsage().arrayBuffers - before, 20_000_000)
      }
    }))

  it.effect("is counted before it is decoded too, since nothing may come out of it", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) => {
        response.setHeader("content-encoding", "gzip")
        const nothing = Buffer.concat(Array.from({ length: 1_000 }, () => gzipSync("")))
        const more = () => {
          while (!response.destroyed && response.write(nothing));
        }
        response.on("drain", more)
        more()
      })
      assert.strictEqual(yield* failure(send(post(receiver.url))), "The answer has more than 100000 bytes")
      yield* receiver.closed(1)
    }))

  it.effect("that cannot be decoded leaves the connection to the others", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, { path }) => {
        if (path === "/plain") response.setHeader("content-encoding", "gzip")
        response.end("plain")
      })
      for (let n = 0; n < 5; n++) {
        yield* failure(send(post(`http://${receiver.target}/plain`)))
        assert.strictEqual(text(yield* send(post(receiver.url))), "plain")
      }
      assert.strictEqual(receiver.opened(), 1)
    }))

  it.effect("that is none, or is cut off, is no answer; one without a body is", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response, { path }) => {
        response.writeHead(path === "/none" ? 204 : 200, { "content-encoding": "gzip" })
        response.end(path === "/none" ? undefined : path === "/cut" ? gzipSync(plain).subarray(0, 30) : "plain")
      })
      const at = (path: string) => send(post(`http://${receiver.target}${path}`))
      assert.include(yield* failure(at("/plain")), "The answer is not gzip")
      assert.include(yield* failure(at("/cut")), "The answer is not gzip")
      assert.strictEqual((yield* at("/none")).status, 204)
    }))

  it.effect("in another encoding stays as it is", () =>
    Effect.gen(function*() {
      const { receiver, send } = yield* between((response) =>
        response.writeHead(200, { "content-encoding": "constructor" }).end("as it is")
      )
      const response = yield* send(post(receiver.url))
      assert.strictEqual(text(response), "as it is")
      assert.strictEqual(response.headers["content-encoding"], "constructor")
    }))
})

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

describe("a connection", () => {
  it.effect("asks by TLS for the name of the URL, and is closed too where it does not come about", () =>
    Effect.gen(function*() {
      const { closed, opened, port } = yield* silent
      const { send } = yield* Egress.make({ allow: [`hooks.test:${port}`] }, {
        resolve: (_, answer) => answer(null, [{ address: "127.0.0.1", family: 4 }])
      })
      const sending = yield* Effect.forkChild(send(post(`https://hooks.test.:${port}/`)))
      const hello = yield* opened
      assert.include(hello, "hooks.test")
      assert.notInclude(hello, "hooks.test.")
      yield* Fiber.interrupt(sending)
      yield* closed
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

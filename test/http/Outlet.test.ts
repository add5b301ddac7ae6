/** How a reader's socket is written to, on a socket that takes only what it is told to. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { IncomingMessage, ServerResponse } from "node:http"
import { Socket } from "node:net"
import { Chunk, Outlet } from "../../src/http/Outlet.ts"

const slice = 65_536
/** Most bytes that a socket holds: below a slice it still wants one more. */
const mostHeld = 2 * (slice + 16)

/** A socket whose other side takes nothing of its own accord. */
class Held extends Socket {
  readonly taken: Array<Buffer> = []
  private readonly held: Array<() => void> = []

  override _write(chunk: string | Buffer, _: BufferEncoding, done: () => void): void {
    this.taken.push(Buffer.from(chunk))
    this.held.push(done)
  }

  override _writev(chunks: Array<{ chunk: string | Buffer }>, done: () => void): void {
    this.taken.push(...chunks.map(({ chunk }) => Buffer.from(chunk)))
    this.held.push(done)
  }

  /** Takes what was written to it; it asks for more in a later turn of the event loop. */
  readonly release = Effect.promise(() => {
    for (const done of this.held.splice(0)) done()
    return new Promise((resolve) => setImmediate(resolve))
  })

  get text(): string {
    return Buffer.concat(this.taken).toString()
  }
}

const open = () => {
  const socket = new Held()
  const request = new IncomingMessage(socket)
  request.httpVersionMajor = 1
  request.httpVersionMinor = 1
  const response = new ServerResponse(request)
  response.assignSocket(socket)
  const outlet = new Outlet(response)
  outlet.open({ "content-type": "application/x-ndjson" })
  return { outlet, response, socket }
}

const lines = (bytes: number) => `${"x".repeat(99)}\n`.repeat(bytes / 100)

/** What the frames hold. */
const contentOf = (text: string): string => {
  let content = ""
  let rest = text.slice(text.indexOf("\r\n\r\n") + 4)
  while (rest !== "") {
    const start = rest.indexOf("\r\n") + 2
    const end = start + Number.parseInt(rest, 16)
    content += rest.slice(start, end)
    rest = rest.slice(end + 2)
  }
  return content
}

describe("an answer", () => {
  it.effect("gives a socket a slice at a time, whether or not anybody waits for it", () =>
    Effect.gen(function*() {
      const { outlet, socket } = open()
      yield* socket.release
      const page = lines(1_000_000)
      // As a page of live events comes, without a fiber.
      assert.isFalse(outlet.write(new Chunk(page)))
      assert.isAtMost(socket.writableLength, mostHeld)
      const flushed = yield* Effect.forkChild(outlet.flushed, { startImmediately: true })
      let turns = 0
      for (; flushed.pollUnsafe() === undefined; turns++) {
        assert.isAtMost(socket.writableLength, mostHeld)
        yield* socket.release
        yield* Effect.yieldNow
      }
      assert.isAtLeast(turns, 15)
      assert.strictEqual(contentOf(socket.text), page)
    }))

  it("is cut into the same slices for all who get it", () => {
    const chunk = new Chunk(lines(300_000))
    assert.strictEqual(chunk.slices, chunk.slices)
    assert.isTrue(chunk.slices.every(({ plain }) => plain.length <= slice && plain.at(-1) === 10))
  })

  it.effect("keeps signs of life out of what was begun", () =>
    Effect.gen(function*() {
      const { outlet, socket } = open()
      yield* socket.release
      const line = `${"x".repeat(2 * slice)}\n`
      outlet.write(new Chunk(line))
      outlet.beat(new Chunk("# still here\n"))
      const flushed = yield* Effect.forkChild(outlet.flushed, { startImmediately: true })
      while (flushed.pollUnsafe() === undefined) {
        yield* socket.release
        yield* Effect.yieldNow
      }
      outlet.beat(new Chunk("# still here\n"))
      yield* socket.release
      assert.strictEqual(contentOf(socket.text), `${line}# still here\n`)
    }))

  it.effect("is broken off where its socket takes nothing for 30 seconds, and not before", () =>
    Effect.gen(function*() {
      const { outlet, response, socket } = open()
      yield* socket.release
      const long = new Chunk("x".repeat(300_000))
      const sending = yield* Effect.forkChild(outlet.send(long), { startImmediately: true })
      for (let i = 0; i < 3; i++) {
        // Each slice that is taken gives it the time anew.
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(sending.pollUnsafe())
        yield* socket.release
        yield* Effect.yieldNow
      }
      assert.isFalse(response.destroyed)
      yield* TestClock.adjust("30 seconds")
      const exit = yield* Fiber.await(sending)
      assert.isTrue(Exit.isFailure(exit))
      assert.isTrue(response.destroyed)
      assert.isTrue(socket.destroyed)
      // Whoever writes to it then is told that nothing is wanted any more.
      assert.isFalse(outlet.write(new Chunk("x")))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(outlet.flushed)))
    }))
})

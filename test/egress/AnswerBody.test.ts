import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import * as AnswerBody from "../../src/egress/AnswerBody.ts"
import { between, failure, post, text } from "./Sending.ts"

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
      // The best brotli would take seconds, and is no worse to take.
      const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }
      for (const [encoding, bomb] of [["gzip", gzipSync(large)], ["br", brotliCompressSync(large, quick)]] as const) {
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

describe("answers that arrive together", () => {
  it("share their memory, and give it back when they end", () => {
    const room = AnswerBody.room(3_000)
    const arriving = () => {
      const ends: Array<string> = []
      const body = AnswerBody.make(undefined, 10_000, room, {
        complete: () => ends.push("complete"),
        failed: () => ends.push("failed"),
        crowded: () => ends.push("crowded"),
        pause: () => {},
        resume: () => {}
      })
      return { body, ends }
    }
    const first = arriving()
    first.body.write(Buffer.alloc(3_000))
    const second = arriving()
    second.body.write(Buffer.alloc(3_000))
    second.body.write(Buffer.alloc(3_000))
    second.body.end()
    assert.deepStrictEqual(second.ends, ["crowded"])
    // The first piece of each is its own.
    const third = arriving()
    third.body.write(Buffer.alloc(1_000))
    third.body.end()
    assert.deepStrictEqual(third.ends, ["complete"])
    first.body.end()
    first.body.destroy()
    assert.deepStrictEqual(first.ends, ["complete"])
    const fourth = arriving()
    fourth.body.write(Buffer.alloc(4_000))
    fourth.body.destroy()
    const fifth = arriving()
    fifth.body.write(Buffer.alloc(4_000))
    fifth.body.write(Buffer.alloc(1))
    assert.deepStrictEqual(fifth.ends, ["crowded"])
    assert.isTrue(room.take(3_000))
    assert.isFalse(room.take(1))
  })
})

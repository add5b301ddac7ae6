import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { isIP } from "node:net"
import * as Address from "../../src/egress/Address.ts"
import * as Destination from "../../src/egress/Destination.ts"
import * as Egress from "../../src/egress/Egress.ts"
import type { Resolve } from "../../src/egress/Names.ts"
import { acceptedUrls, publicAddresses, refusedAddresses, refusedUrls } from "./Addresses.ts"
import * as Receiver from "./Receiver.ts"
import { post } from "./Sending.ts"

/** Answers in turn, the last one from then on, and counts how often it is asked. */
const resolver = (...turns: ReadonlyArray<ReadonlyArray<string>>) => {
  const asked: Array<string> = []
  const resolve: Resolve = (target, answer) => {
    asked.push(target.host)
    const turn = turns[Math.min(asked.length, turns.length) - 1] ?? []
    setImmediate(() => Receiver.resolving(...turn)(target, answer))
    return () => {}
  }
  return { asked, resolve }
}

const judged = (url: string, allow: ReadonlyArray<string> = []): string | undefined => {
  const judged = Destination.judge(url, Destination.allowed(allow))
  return typeof judged === "string" ? judged : undefined
}

const refusal = (egress: Egress.Egress["Service"], url: string) =>
  Effect.map(Effect.flip(egress.send(post(url))), (error) => {
    assert.strictEqual(error._tag, "EgressRefused", `${url}: ${error.message}`)
    return error.reason
  })

/** A test has to find a public address on this machine. */
const reachHere = (address: string): Address.Reach =>
  address === "127.0.0.1" ? { kind: "public", range: "unicast" } : Address.reach(address)

const bracketed = (address: string): string => isIP(address) === 6 ? `[${address}]` : address

describe("an address", () => {
  it.each(refusedAddresses)("%s is not public, written in a URL or behind a name", (address) => {
    assert.notStrictEqual(Address.reach(address).kind, "public")
    assert.isString(judged(`http://${bracketed(address)}/`))
  })

  it.each(publicAddresses)("%s is public", (address) => {
    assert.strictEqual(Address.reach(address).kind, "public")
    assert.isUndefined(judged(`http://${bracketed(address)}/`))
  })

  it.each(["fe80::1%lo", "2606:4700::1%eth0", "", "example.com", "1.1.1", "0x7f.1", "01.1.1.1"])(
    "%s is none",
    (text) => {
      assert.strictEqual(Address.reach(text).kind, "special")
    }
  )

  it.effect("in a URL is not sent to, however it is spelled", () =>
    Effect.gen(function*() {
      const { asked, resolve } = resolver(["1.1.1.1"])
      const egress = yield* Egress.make({ allow: [] }, { resolve })
      for (const [url, says] of refusedUrls) {
        assert.include(egress.judge(url), says, url)
        assert.include(yield* refusal(egress, url), says, url)
      }
      for (const address of refusedAddresses) yield* refusal(egress, `http://${bracketed(address)}:8080/`)
      assert.deepStrictEqual(asked, [])
      for (const url of acceptedUrls) assert.isUndefined(egress.judge(url), url)
    }))

  it.effect("behind a name is not connected to, alone or among public ones", () =>
    Effect.gen(function*() {
      for (const address of refusedAddresses) {
        for (const answer of [[address], ["127.0.0.1", address], [address, "127.0.0.1"]]) {
          if (address === "127.0.0.1") continue
          const { asked, resolve } = resolver(answer)
          const egress = yield* Egress.make({ allow: [] }, { resolve, reach: reachHere })
          assert.include(yield* refusal(egress, "http://hooks.test:8080/"), "hooks.test resolves to")
          assert.deepStrictEqual(asked, ["hooks.test"])
        }
      }
    }))

  it.effect("is judged each time a connection is opened, and is the one that is connected to", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make((response) => response.setHeader("connection", "close").end("here"))
      const { asked, resolve } = resolver(["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "::1"])
      const egress = yield* Egress.make({ allow: [] }, { resolve, reach: reachHere })
      const url = `http://hooks.test:${receiver.port}/`
      assert.strictEqual((yield* egress.send(post(url))).status, 200)
      assert.deepStrictEqual(asked, ["hooks.test"])
      assert.strictEqual(receiver.requests[0]?.headers.host, `hooks.test:${receiver.port}`)
      yield* receiver.closed(1)
      const reason = yield* refusal(egress, url)
      assert.include(reason, "hooks.test resolves to an address that is not public (private)")
      assert.include(reason, `MILLSTREAM_ALLOW_EGRESS=hooks.test:${receiver.port}`)
      assert.notInclude(reason, "10.0.0.1")
      assert.include(yield* refusal(egress, url), "hooks.test resolves to an address that is not public (loopback)")
      assert.strictEqual(receiver.opened(), 1)
    }))
})

describe("an allowed target", () => {
  it.each([
    ["http://localhost:3001/", ["localhost:3001"], true],
    ["http://LOCALHOST.:3001/", ["localhost:3001"], true],
    ["http://localhost/", ["localhost:80"], true],
    ["https://localhost/", ["localhost:443"], true],
    ["http://localhost:25/", ["localhost:25"], true],
    ["http://2130706433:3001/", ["127.0.0.1:3001"], true],
    ["http://127.0.0.1:3001/", ["127.1:3001"], true],
    ["http://[0::1]:3001/", ["[::1]:3001"], true],
    ["http://169.254.169.254/", ["169.254.169.254:80"], true],
    ["http://localhost:3002/", ["localhost:3001"], false],
    ["http://127.0.0.1:3001/", ["localhost:3001"], false],
    ["http://[::ffff:127.0.0.1]:3001/", ["127.0.0.1:3001"], false],
    ["http://a@localhost:3001/", ["localhost:3001"], false],
    ["http://localhost:0/", ["localhost:0"], false],
    ["http://localhost:3001/", ["", "http://localhost:3001", "a b:1"], false]
  ])("%s with %j: %s", (url, allow, accepted) => {
    assert.strictEqual(judged(url, allow) === undefined, accepted)
  })

  it.each([
    ["http://localhost:3001/", ["127.0.0.1:3001"], "127.0.0.1:3001,localhost:3001"],
    ["http://127.0.0.1:3001/", ["LOCALHOST:3001", "[::1]:3001"], "localhost:3001,[::1]:3001,127.0.0.1:3001"],
    ["http://[0::1]:3001/", ["127.0.0.1:3001"], "127.0.0.1:3001,[::1]:3001"],
    ["http://10.0.0.1/", ["127.0.0.1:3001"], "10.0.0.1:80"]
  ])("%s with %j is refused with what to write", (url, allow, says) => {
    const [, written] = /MILLSTREAM_ALLOW_EGRESS=(.*?)(?:, since .*)?$/.exec(judged(url, allow) ?? "") ?? []
    assert.strictEqual(written, says)
    assert.isUndefined(judged(url, says.split(",")))
  })

  it.effect("may be loopback or private by name, but no other special address, and no other port", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make((response) => response.end("here"))
      const { resolve } = resolver(["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"])
      const egress = yield* Egress.make({ allow: [`hooks.test:${receiver.port}`] }, { resolve })
      assert.strictEqual((yield* egress.send(post(`http://hooks.test:${receiver.port}/a`))).status, 200)
      const other = yield* Egress.make({ allow: ["hooks.test:8080"] }, { resolve })
      assert.include(yield* refusal(other, "http://hooks.test:8080/"), "not public (link local)")
      assert.include(yield* refusal(other, "http://hooks.test:8081/"), "not public (loopback)")
    }))

  it.effect("is reached as localhost, whichever of its addresses listens", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make((response) => response.end("here"))
      const egress = yield* Egress.make({ allow: [`localhost:${receiver.port}`] })
      assert.strictEqual((yield* egress.send(post(`http://localhost:${receiver.port}/`))).status, 200)
      const reason = yield* refusal(yield* Egress.make({ allow: [] }), `http://localhost:${receiver.port}/`)
      assert.include(reason, `MILLSTREAM_ALLOW_EGRESS=localhost:${receiver.port}`)
    }))
})

describe("a header", () => {
  it.effect("with control characters, or that belongs to the connection, never gets out", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.make((response) => response.end())
      const egress = yield* Egress.make({ allow: [receiver.target] })
      for (
        const [name, value] of [
          ["x-a", "1\r\nx-b: 2"],
          ["x-a", "1\n2"],
          ["x-a", "\u0000"],
          ["x-a", "\u4e2d"],
          ["x-a\r\nx-b", "1"],
          ["", "1"],
          ["Host", "internal.example"],
          ["Transfer-Encoding", "chunked"],
          ["content-length", "1"],
          ["connection", "upgrade"]
        ] as const
      ) {
        const error = yield* Effect.flip(egress.send({ ...post(receiver.url), headers: { [name]: value } }))
        assert.strictEqual(error._tag, "EgressRefused", `${name}: ${error.message}`)
      }
      assert.lengthOf(receiver.requests, 0)
      yield* egress.send({ ...post(receiver.url), headers: { "X-A": "1", "Accept-Encoding": "gzip" } })
      assert.strictEqual(receiver.requests[0]?.headers["x-a"], "1")
      assert.strictEqual(receiver.requests[0]?.headers["accept-encoding"], "identity")
    }))
})

import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Egress from "../../src/egress/Egress.ts"
import * as HostsFile from "../../src/egress/HostsFile.ts"
import * as Names from "../../src/egress/Names.ts"
import * as NameServer from "./NameServer.ts"
import * as Receiver from "./Receiver.ts"
import { post, text } from "./Sending.ts"

const hostsFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "hosts-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => join(folder, "hosts")
)

/** A name server and an empty file of hosts, and what resolves by them. */
const names = Effect.fnUntraced(function*(answer: Parameters<typeof NameServer.make>[0]) {
  const dns = yield* NameServer.make(answer)
  const file = yield* hostsFile
  const resolve = Names.make({ servers: [dns.server], hostsFile: file })
  /** The addresses of a name, or why there are none. Interrupting it gives it up. */
  const find = (host: string, allowed = false) =>
    Effect.callback<ReadonlyArray<string> | string>((resume) => {
      const stop = resolve({ host, allowed }, (error, addresses) =>
        resume(Effect.succeed(error === null ? addresses.map(({ address }) => address) : error.message)))
      return Effect.sync(stop)
    })
  return { dns, file, find, resolve }
})

describe("a name", () => {
  it.effect("has the addresses of both families, IPv4 first", () =>
    Effect.gen(function*() {
      const { dns, find } = yield* names((_, family) =>
        family === 4 ? ["1.1.1.1", "10.0.0.1"] : ["2606:4700::1111", "::1"]
      )
      assert.deepStrictEqual(yield* find("hooks.test"), ["1.1.1.1", "10.0.0.1", "2606:4700::1111", "::1"])
      assert.sameMembers(dns.asked, ["hooks.test 4", "hooks.test 6"])
    }))

  it.effect("has those of one family where the other has none, or its name server does not say", () =>
    Effect.gen(function*() {
      for (const other of [[], "unknown", "broken", "silent"] as const) {
        const { find } = yield* names((_, family) => family === 4 ? ["1.1.1.1"] : other)
        assert.deepStrictEqual(yield* find("hooks.test"), ["1.1.1.1"], String(other))
      }
      const { find } = yield* names((_, family) => family === 6 ? ["::1"] : [])
      assert.deepStrictEqual(yield* find("hooks.test"), ["::1"])
      // Well below what a lookup may take.
    }), 4_000)

  it.effect("without an address is told from one that cannot be resolved now", () =>
    Effect.gen(function*() {
      const { find } = yield* names((name, family) =>
        name === "unknown.test" ? "unknown" : name === "empty.test" || family === 4 ? [] : "broken"
      )
      for (const name of ["unknown.test", "empty.test", `${"a".repeat(64)}.test`, "a".repeat(300)]) {
        assert.strictEqual(yield* find(name), `${name} has no address in DNS, nor in the hosts file`)
      }
      assert.include(yield* find("broken.test"), "broken.test cannot be resolved now")
      const { find: findSilent } = yield* names(() => "silent")
      assert.include(yield* findSilent("silent.test"), "silent.test cannot be resolved now")
    }))

  it.effect("is asked for once by all who want it, until the last of them gives it up", () =>
    Effect.gen(function*() {
      const { dns, find } = yield* names((name) => name === "slow.test" ? "silent" : ["::1"])
      const first = yield* Effect.forkChild(find("slow.test"))
      const second = yield* Effect.forkChild(find("slow.test"))
      yield* dns.arrived(2)
      yield* Fiber.interrupt(first)
      const third = yield* Effect.forkChild(find("slow.test"))
      yield* find("hooks.test")
      assert.lengthOf(dns.asked, 4)
      yield* Fiber.interruptAll([second, third])
      yield* Effect.forkChild(find("slow.test"))
      yield* dns.arrived(6)
      assert.lengthOf(dns.asked.filter((asked) => asked.startsWith("slow.test")), 4)
    }))

  it.effect("whose servers are silent delays no request to another", () =>
    Effect.gen(function*() {
      const { dns, resolve } = yield* names((name, family) =>
        name.startsWith("dead") ? "silent" : family === 4 ? ["127.0.0.1"] : []
      )
      const receiver = yield* Receiver.make((response) => response.end("here"))
      const dead = new Set<string>()
      const given = yield* Deferred.make<void>()
      const counted: Names.Resolve = (target, answer) => {
        const stop = resolve(target, answer)
        if (target.host !== "hooks.test") dead.add(target.host)
        return () => {
          stop()
          if (dead.delete(target.host) && dead.size === 0) Deferred.doneUnsafe(given, Effect.void)
        }
      }
      const { send } = yield* Egress.make({ allow: [`hooks.test:${receiver.port}`] }, { resolve: counted })
      const sending = yield* Effect.forEach(
        Array.from({ length: 100 }),
        (_, n) => Effect.forkChild(send(post(`http://dead${n}.test/`)))
      )
      yield* dns.arrived(200)
      assert.strictEqual(text(yield* send(post(`http://hooks.test:${receiver.port}/`))), "here")
      for (const fiber of sending) assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual(dead.size, 100)
      yield* Fiber.interruptAll(sending)
      yield* Deferred.await(given)
    }))

  it.effect("that only the system knows counts for allowed targets alone", () =>
    Effect.gen(function*() {
      // The system reads it as an address; a URL never has it as a name.
      const { find } = yield* names(() => "unknown")
      assert.strictEqual(yield* find("127.1"), "127.1 has no address in DNS, nor in the hosts file")
      assert.deepStrictEqual(yield* find("127.1", true), ["127.0.0.1"])
      assert.include(yield* find("hooks.invalid", true), "hooks.invalid has no address in DNS")
    }))
})

describe("the file of hosts", () => {
  it.effect("comes before name servers, and is read again when it has changed", () =>
    Effect.gen(function*() {
      const { dns, file, find } = yield* names(() => ["1.1.1.1"])
      assert.deepStrictEqual(yield* find("localhost"), ["127.0.0.1", "::1"])
      assert.deepStrictEqual(yield* find("a.localhost"), ["127.0.0.1", "::1"])
      writeFileSync(file, "10.0.0.1 hooks.test\n127.0.0.2 localhost")
      assert.deepStrictEqual(yield* find("hooks.test"), ["10.0.0.1"])
      assert.deepStrictEqual(yield* find("localhost"), ["127.0.0.2"])
      writeFileSync(file, "10.0.0.20 hooks.test")
      assert.deepStrictEqual(yield* find("hooks.test"), ["10.0.0.20"])
      assert.lengthOf(dns.asked, 0)
      rmSync(file)
      assert.deepStrictEqual(yield* find("localhost"), ["127.0.0.1", "::1"])
    }))

  it("is read as the system reads it", () => {
    const lines = ["# none", "127.0.0.1\tLocalHost one.  # two\r", "::1 localhost", "fe80::1%lo0 localhost", "x three"]
    assert.deepStrictEqual([...HostsFile.parse(`\ufeff${lines.join("\n")}\n1.1.1.1`)], [
      ["localhost", [{ address: "127.0.0.1", family: 4 }, { address: "::1", family: 6 }]],
      ["one", [{ address: "127.0.0.1", family: 4 }]]
    ])
  })
})

/** The examples in other languages, as programs against a server: killed in the middle and started again. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, FileSystem, Layer, Path, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { ChildProcessSpawner } from "effect/process"
import { spawnSync } from "node:child_process"
import { createServer } from "node:net"
import * as Client from "../../src/client.ts"
import { Ping, Pong } from "../../src/examples/PingPong.ts"
import { run, start } from "../Command.ts"
import { layer as server, TestServer } from "../http/TestServer.ts"

const isInstalled = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0

const examples = Effect.map(Path.Path, (path) => path.resolve(import.meta.dirname, "../../src/examples"))

const languages = [
  {
    name: "Python",
    needs: "python3",
    command: Effect.map(examples, (folder) => ["python3", "-u", `${folder}/ping_pong.py`])
  },
  {
    name: "Rust",
    needs: "rustc",
    command: Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* examples
      const built = `${yield* fs.makeTempDirectoryScoped({ prefix: "millstream-rust-" })}/ping_pong`
      const { exitCode, output } = yield* run(folder, "rustc", ["-D", "warnings", "-o", built, "ping_pong.rs"])
      assert.strictEqual(exitCode, 0, output)
      return [built]
    })
  }
] as const

/** A server that ends in the middle of each reply, and at last accepts a claim and says no more. */
const dying = Effect.gen(function*() {
  const replies = [
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    "HTTP/1.1 503 Unavailable\r\nContent-Length: 100\r\n\r\n{",
    ""
  ]
  const asked = yield* Deferred.make<void>()
  const server = createServer((socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => {
      const reply = replies.shift()
      if (reply === undefined) Deferred.doneUnsafe(asked, Effect.void)
      else socket.end(reply)
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )
  return { port, isAskedAgain: Deferred.await(asked) }
})

const services = Layer.mergeAll(NodeServices.layer, FetchHttpClient.layer, server({ leaseSeconds: 2 }))

layer(services, { excludeTestServices: true })("a processor in", (it) => {
  for (const { command, name, needs } of languages) {
    it.effect.skipIf(!isInstalled(needs))(`${name} asks again of a server that ends in the middle of a reply`, () =>
      Effect.gen(function*() {
        const { isAskedAgain, port } = yield* dying
        const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
        const [program, ...args] = yield* command
        yield* spawner.spawn(start("/", program ?? "", [...args, `http://127.0.0.1:${port}`, "/games/1"]))
        yield* isAskedAgain
      }))

    it.effect.skipIf(!isInstalled(needs))(`${name} answers each ping once, though it is killed (needs ${needs})`, () =>
      Effect.gen(function*() {
        const { ask, port } = yield* TestServer
        const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
        const baseUrl = `http://127.0.0.1:${port}`
        const streams = yield* Client.make({ baseUrl })
        const [program, ...args] = yield* command
        const path = `/games/${name}`
        const begin = spawner.spawn(start("/", program ?? "", [...args, baseUrl, path]))
        const ping = (n: number) => streams.append(path, Ping.make({ from: `"${n}" ä` }))
        const pongs = (count: number) =>
          Effect.map(
            Stream.runCollect(streams.tail(path, { types: [Pong] }).pipe(Stream.take(count))),
            (events) => events.map(({ payload }) => payload.to)
          )

        yield* ping(0)
        yield* streams.append(path, { type: "ping", payload: { form: "none of it" } })
        const first = yield* begin
        yield* pongs(1)
        for (let n = 1; n <= 40; n++) yield* ping(n)
        // In the midst of them, or behind.
        yield* pongs(2)
        yield* first.kill({ killSignal: "SIGKILL" })
        for (let n = 41; n <= 50; n++) yield* ping(n)
        yield* begin
        yield* pongs(51)
        // One more, so that a second answer to one before it would be there too.
        yield* ping(51)
        const expected = Array.from({ length: 52 }, (_, n) => `"${n}" ä`)
        assert.deepStrictEqual(yield* pongs(52), expected)
        const { text } = yield* ask(`/api/state${path}`)
        assert.include(text.replaceAll(/\s/g, ""), `"pings":52`)
      }))
  }
})

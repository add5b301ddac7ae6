/** The examples in other languages, as programs against a server: killed in the middle and started again. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Path, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { ChildProcessSpawner } from "effect/process"
import { spawnSync } from "node:child_process"
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

const services = Layer.mergeAll(NodeServices.layer, FetchHttpClient.layer, server({ leaseSeconds: 2 }))

layer(services, { excludeTestServices: true })("a processor in", (it) => {
  for (const { command, name, needs } of languages) {
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

/**
 * What `npm pack` makes, installed in an empty folder as a stranger would. The install asks the registry for what is
 * not cached.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, FileSystem, Layer, Path, Stream } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { ChildProcessSpawner } from "effect/process"
import { run, start } from "./Command.ts"

const project = (path: Path.Path) => path.resolve(import.meta.dirname, "..")

const succeeds = Effect.fn("succeeds")(function*(cwd: string, command: string, args: ReadonlyArray<string>) {
  const { exitCode, output } = yield* run(cwd, command, args)
  assert.strictEqual(exitCode, 0, `${command} ${args.join(" ")}\n${output}`)
  return output
})

/** A folder with nothing in it but the installed package. */
class Installed extends Context.Service<Installed, { readonly folder: string }>()("millstream/test/Installed") {
  static readonly layer = Layer.effect(Installed)(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "millstream-package-" })
    // Started as root, Postgres runs as another user, who has to reach its binaries here.
    yield* fs.chmod(folder, 0o755)
    yield* succeeds(project(path), "npm", ["pack", "--pack-destination", folder])
    yield* fs.writeFileString(path.join(folder, "package.json"), `{ "private": true, "type": "module" }\n`)
    const names = yield* fs.readDirectory(folder)
    const tarballs = names.filter((name) => name.endsWith(".tgz")).map((name) => `./${name}`)
    yield* succeeds(folder, "npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...tarballs])
    return Installed.of({ folder })
  }))
}

/** The address that `npx millstream serve` prints; the service ends with the scope. */
const serve = Effect.gen(function*() {
  const { folder } = yield* Installed
  const path = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(
    start(folder, "npx", ["millstream", "serve"], { PORT: "0", MILLSTREAM_DATA_DIR: path.join(folder, "data") })
  )
  const address = yield* Deferred.make<string>()
  let output = ""
  // Read to the end, not only to the address: a full pipe would stop the service.
  yield* Stream.decodeText(handle.all).pipe(
    Stream.runForEach((text) => {
      output += text
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0]
      return url === undefined ? Effect.void : Deferred.succeed(address, url)
    }),
    Effect.andThen(Effect.suspend(() => Deferred.die(address, new Error(`the service ended:\n${output}`)))),
    Effect.forkScoped
  )
  return yield* Deferred.await(address)
})

// Types are checked where a user would: with the declarations of the installed package, and so that the user's own can
// be declared.
const usesTypes = `import { Effect, Layer, Schema } from "effect"
import * as Client from "millstream/client"
import { EventType, Processor } from "millstream"
import { Scenario, TestHost } from "millstream/testing"
export const make: Function = Client.make
export const makeType: Function = EventType.make
export const Ping = EventType.make("ping", Schema.Struct({ from: Schema.String }))
export const Counter = Processor.make("counter", { state: Schema.Int, initial: 0, consumes: [Ping, EventType.any] })
  .reduce({ ping: (count) => count + 1, "*": (count) => count })
  .fibers({ report: (count) => ({ all: count }) })
export const hooks = Counter.of({ fibers: { report: () => Effect.void } })
export const layer = Counter.toLayer(hooks)
export const elsewhere = layer.pipe(Layer.provide(Client.RemoteProcessors.layer({ baseUrl: "http://127.0.0.1:4000" })))
export const scenario = Scenario.make(Counter, layer).given(Ping.make({ from: "ada" }))
export const hosted = layer.pipe(Layer.provideMerge(TestHost.layer))
export const ping = Ping.make({ from: "ada" })
// @ts-expect-error The declarations are there: what does not exist is an error.
export const missing = Client.noSuchExport
`

const usesClient = `import assert from "node:assert"
import * as Client from "millstream/client"
import { EventType, Processor } from "millstream"
import { Scenario } from "millstream/testing"
for (const { make } of [Client, EventType, Processor, Scenario]) assert.strictEqual(typeof make, "function")
assert.strictEqual(typeof Client.RemoteProcessors.layer, "function")
console.log(process.version)
`

const services = Layer.mergeAll(NodeServices.layer, FetchHttpClient.layer)

layer(Layer.provideMerge(Installed.layer, services), { excludeTestServices: true, timeout: "60 seconds" })(
  "the package",
  (it) => {
    it.effect("npx millstream serve keeps events, on a Postgres that it brought along", () =>
      Effect.gen(function*() {
        const stream = `${yield* serve}/api/streams/first`
        const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
        yield* client.post(stream, { body: HttpBody.jsonUnsafe({ type: "ping", payload: { from: "a stranger" } }) })
        const reply = yield* client.execute(HttpClientRequest.get(stream).pipe(HttpClientRequest.acceptJson))
        assert.include(yield* reply.text, "a stranger")
      }))

    it.effect("its client imports, under the Node that it brought along", () =>
      Effect.gen(function*() {
        const { folder } = yield* Installed
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        yield* fs.writeFileString(path.join(folder, "client.js"), usesClient)
        const version = yield* succeeds(folder, "npx", ["node", "client.js"])
        assert.match(version, /v2[4-9]\./)
      }))

    it.effect("its declarations type-check", () =>
      Effect.gen(function*() {
        const { folder } = yield* Installed
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        yield* fs.writeFileString(path.join(folder, "types.ts"), usesTypes)
        const compiler = path.join(project(path), "node_modules", ".bin", "tsc")
        const options = ["--noEmit", "--declaration", "--strict", "--skipLibCheck"]
        yield* succeeds(folder, compiler, [...options, "--module", "nodenext", "--target", "es2024", "types.ts"])
      }))

    it.effect("holds the build and nothing else", () =>
      Effect.gen(function*() {
        const { folder } = yield* Installed
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const names = yield* fs.readDirectory(path.join(folder, "node_modules", "millstream"))
        const allowed = ["LICENSE", "README.md", "dist", "package.json"]
        assert.deepStrictEqual(names.filter((name) => !allowed.includes(name)), [])
      }))
  }
)

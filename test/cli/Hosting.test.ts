/** `millstream serve FILE --watch`: the processors of a file on the server, and anew each time it is saved. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Latch, Layer, Path, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { ChildProcessSpawner } from "effect/process"
import * as Client from "../../src/client.ts"
import { Ping, Pong } from "../../src/examples/PingPong.ts"
import * as TestPostgres from "../TestPostgres.ts"
import * as Cli from "./Cli.ts"

/** A folder with the example in it, as a user's own file. */
const example = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(import.meta.dirname, "../..")
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "millstream-hosting-" })
  yield* fs.symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"))
  yield* fs.writeFileString(path.join(folder, "package.json"), `{ "type": "module" }\n`)
  const text = yield* fs.readFileString(path.join(root, "src/examples/PingPong.ts"))
  const source = text.replace(`"../millstream.ts"`, JSON.stringify(path.join(root, "src/millstream.ts")))
  const file = path.join(folder, "PingPong.ts")
  const save = (change: (source: string) => string) => fs.writeFileString(file, change(source))
  yield* save((source) => source)
  return { file, save }
})

/** Starts it; `until` waits for what it prints behind what was waited for last. */
const serve = Effect.fn("serve")(function*(args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const env = { PORT: "0", MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder, MILLSTREAM_LEASE: "1" }
  const handle = yield* spawner.spawn(Cli.start(["serve", ...args], { env }))
  const printed = Latch.makeUnsafe()
  let output = ""
  yield* Stream.decodeText(handle.all).pipe(
    Stream.runForEach((text) => Effect.sync(() => {
      output += text
      printed.openUnsafe()
    })),
    Effect.forkScoped
  )
  const until = Effect.fnUntraced(function*(form: RegExp) {
    while (true) {
      const found = form.exec(output)
      if (found !== null) {
        output = output.slice(found.index + found[0].length)
        return found[0]
      }
      printed.closeUnsafe()
      yield* printed.await
    }
  })
  /** Stops it as Ctrl-C does: its exit code, and what it says behind what was waited for last. */
  const end = Effect.gen(function*() {
    yield* handle.kill({ killSignal: "SIGINT" })
    return `${yield* handle.exitCode} ${output.trim()}`
  })
  return { end, until }
})

const services = Layer.merge(NodeServices.layer, FetchHttpClient.layer)

layer(services, { excludeTestServices: true })("millstream serve FILE", (it) => {
  it.effect("hosts what it exports, and with --watch what it exports after each save", () =>
    Effect.gen(function*() {
      const { file, save } = yield* example
      const { until } = yield* serve([file, "--watch"])
      // Its processors are known before a port opens, so that nothing that comes in is history to them.
      yield* until(/PingPong\.ts: 1 layer at work/)
      const baseUrl = yield* until(/http:\/\/127\.0\.0\.1:\d+/)
      const streams = yield* Client.make({ baseUrl })
      /** Sends a ping and returns what is answered next. */
      const answers = Effect.fnUntraced(function*(from: string, count: number) {
        yield* streams.append("/games/watched", Ping.make({ from }))
        const pongs = yield* Stream.runCollect(
          streams.tail("/games/watched", { types: [Pong] }).pipe(Stream.take(count))
        )
        return pongs.map(({ payload }) => payload.to)
      })
      assert.deepStrictEqual(yield* answers("ada", 1), ["ada"])

      yield* save((source) => source.replace("to: event.payload.from", "to: `dear ${event.payload.from}`"))
      yield* until(/1 layer at work/)
      assert.deepStrictEqual(yield* answers("grace", 2), ["ada", "dear grace"])

      // A file that does not load changes nothing.
      yield* save((source) => `${source}\nexport const broken = missing\n`)
      yield* until(/PingPong\.ts can not be loaded: ReferenceError: missing is not defined/)
      assert.deepStrictEqual(yield* answers("lin", 3), ["ada", "dear grace", "dear lin"])

      // One that loads and can not run stops what ran before.
      yield* save((source) => source.replace("/games/**", "games"))
      yield* until(/can not run: .* is no pattern.*\. Nothing of it runs until it is saved again\n/)
      yield* save((source) => source)
      yield* until(/1 layer at work/)
      assert.deepStrictEqual((yield* answers("hedy", 4)).slice(3), ["hedy"])
    }))

  it.effect("runs a layer once that is exported by itself and in a merge, and ends quietly", () =>
    Effect.gen(function*() {
      const { file, save } = yield* example
      const merged = `import { Layer } from "effect"\nexport const merged = Layer.merge(layer, Layer.empty)\n`
      yield* save((source) => `${source}\n${merged}`)
      const { end, until } = yield* serve([file])
      yield* until(/PingPong\.ts: 2 layers at work/)
      assert.strictEqual(yield* end, "130 ")

      // While it starts, too.
      yield* save(() => `import { Console, Effect, Layer } from "effect"
        export const layer = Layer.effectDiscard(Effect.andThen(Console.log("starting"), Effect.never))`)
      const starting = yield* serve([file])
      yield* starting.until(/starting\n/)
      assert.strictEqual(yield* starting.end, "130 ")
    }))

  it.effect("says what is wrong with a file that can not be hosted", () =>
    Effect.gen(function*() {
      const { file, save } = yield* example
      const env = { PORT: "0", MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder }
      const ended = Effect.map(
        Cli.run(["serve", file], { env }),
        ({ code, stderr }) => `${code} ${stderr.trimEnd().split("\n").at(-1)}`
      )
      yield* save((source) => source.replace("export const layer", "const layer"))
      assert.include(yield* ended, `1 millstream: ${file} exports no Layer. Export one, such as \`export const layer = `)
      yield* save((source) => source.replace("/games/**", "games"))
      const refused = /^1 millstream: .*\.ts can not run: The processor ping-pong can not run: `streams` is no pattern/
      assert.match(yield* ended, refused)
      yield* save((source) => `${source}\nexport const other = PingPong.toLayer({})\n`)
      const twice = "The processor ping-pong is in `layer` and again in `other`. Drop one of the two"
      assert.strictEqual(yield* ended, `1 millstream: ${file} can not run: ${twice}`)
      const { code, stderr } = yield* Cli.run(["serve", "--watch"], { env })
      assert.strictEqual(code, 2)
      assert.include(stderr, "millstream: --watch needs a file, such as ./PingPong.ts")
    }))
})

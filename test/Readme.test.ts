/** What the README says is so: its commands print what it shows, its programs run, its table is complete. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Path, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { settings } from "../src/ServiceConfig.ts"
import * as TestPostgres from "./TestPostgres.ts"
import * as Tour from "./Tour.ts"

const toured = ["A tour in five minutes", "The command line", "Processors elsewhere"]

/** Its first command starts a server of its own, and a later one what that pushes to. */
const connected = "Connect things"

/** Its first program is the file that its command serves, and that others import. */
const written = "Write a processor"

const decodeScripts = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({
    scripts: Schema.Record(Schema.String, Schema.String),
    bin: Schema.Struct({ millstream: Schema.String })
  }))
)

/** The text, and a server started as it says. */
class Readme extends Context.Service<Readme, {
  readonly root: string
  readonly text: string
  readonly blocks: ReadonlyArray<Tour.Block>
  readonly url: string
  readonly greeting: string
}>()("millstream/test/Readme") {
  static readonly layer = Layer.effect(Readme)(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = path.resolve(import.meta.dirname, "..")
    const text = yield* fs.readFileString(path.join(root, "README.md"))
    const env = { PORT: "0", MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder }
    const greeting = yield* Tour.until(/curl http\S+\n/, root, "npm", ["start"], env)
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(greeting)?.[0] ?? ""
    return Readme.of({ root, text, blocks: Tour.blocks(text), url, greeting })
  }))
}

/** The programs of the README in files of their own, by the section that shows them, with the package's sources. */
const programs = Effect.gen(function*() {
  const { blocks, root, url } = yield* Readme
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "millstream-readme-" })
  yield* fs.symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"))
  yield* fs.writeFileString(path.join(folder, "package.json"), `{ "type": "module" }\n`)
  yield* fs.writeFileString(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({ extends: path.join(root, "tsconfig.json"), include: ["*.ts"] })
  )
  const shown = blocks.filter(({ language }) => language === "ts")
  const processor = shown.find(({ section }) => section === written)
  const files = yield* Effect.forEach(shown, (block) => {
    const file = path.join(folder, block === processor ? "PingPong.ts" : `line-${block.line}.ts`)
    const text = block.text
      .replaceAll(/from "millstream(?:\/(\w+))?"/g, (_, door = "millstream") => `from "${root}/src/${door}.ts"`)
      .replaceAll(Tour.address, url)
    const program = { file, section: block.section, output: Tour.outputOf(blocks, block) }
    return Effect.as(fs.writeFileString(file, text), program)
  })
  return { folder, files }
})

/** Runs a command that begins with settings, with others in their place; the address that it tells. */
const started = Effect.fn("started")(function*(root: string, script: string, env: { readonly [name: string]: string }) {
  const words = script.split(" ")
  const settings = words.filter((word) => /^[A-Z_]+=/.test(word)).map((word) => word.split("="))
  const [command = "", ...args] = words.filter((word) => !/^[A-Z_]+=/.test(word))
  const told = yield* Tour.until(/http:\/\/127\.0\.0\.1:\d+/, root, command, args, { ...Object.fromEntries(settings), ...env })
  return /http:\/\/127\.0\.0\.1:\d+/.exec(told)?.[0] ?? ""
})

const services = Layer.merge(NodeServices.layer, FetchHttpClient.layer)

layer(Layer.provideMerge(Readme.layer, services), { excludeTestServices: true, timeout: "30 seconds" })(
  "the README",
  (it) => {
    it.effect("npm start greets as it shows", () =>
      Effect.gen(function*() {
        const { blocks, greeting, url } = yield* Readme
        const shown = blocks.find(({ language, section }) => section === "Start" && language === "text")
        assert.include(Tour.normal(greeting, url), Tour.normal(shown?.text ?? "nothing is shown"))
      }))

    it.effect("its commands print what it shows, and every other output would be noticed", () =>
      Effect.gen(function*() {
        const { blocks, root, url } = yield* Readme
        const steps = Tour.steps(blocks, toured)
        assert.isAbove(steps.length, 20)
        const printed = yield* Tour.take(root, url, steps)
        assert.strictEqual(Tour.differences(steps, printed, url).join("\n\n"), "")
        // One word of each output changed, one at a time.
        for (const [index, step] of steps.entries()) {
          const changed = steps.with(index, { ...step, expected: step.expected.replace(/\w+|^$/, "otherwise") })
          assert.lengthOf(Tour.differences(changed, printed, url), 1, `README.md:${step.line}`)
        }
      }))

    it.effect("its server connects things as it shows, with the agent that it names", () =>
      Effect.gen(function*() {
        const { blocks, root } = yield* Readme
        const [serve, ...steps] = Tour.steps(blocks, [connected])
        const [receiver, ...others] = steps.filter(({ script }) => script.startsWith("PORT="))
        assert.isEmpty(others)
        const agent = yield* started(root, receiver?.script ?? "", { PORT: "0" })
        const env = { PORT: "0", MILLSTREAM_ALLOW_EGRESS: agent.replace("http://", "") }
        const url = yield* started(root, serve?.script ?? "", {
          ...env,
          MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder
        })
        const taken = steps.filter((step) => step !== receiver)
        const pushed = taken.map((step) => ({ ...step, script: step.script.replaceAll("http://127.0.0.1:8000", agent) }))
        const printed = yield* Tour.take(root, url, pushed)
        assert.strictEqual(Tour.differences(taken, printed, url).join("\n\n"), "")
      }))

    it.effect("its programs compile, and those with an output print it", () =>
      Effect.gen(function*() {
        const { root } = yield* Readme
        const { files, folder } = yield* programs
        const compiled = yield* Tour.run(folder, `${root}/node_modules/.bin/tsc`, ["-p", folder])
        assert.strictEqual(compiled.stdout, "")
        assert.strictEqual(compiled.exitCode, 0)
        const runnable = files.filter(({ output }) => output !== undefined)
        assert.deepStrictEqual(runnable.map(({ section }) => section), ["The typed client", written])
        for (const { file, output = "" } of runnable) {
          const { exitCode, stderr, stdout } = yield* Tour.run(folder, process.execPath, [file])
          assert.strictEqual(Tour.normal(stdout), Tour.normal(output), stderr)
          assert.strictEqual(exitCode, 0)
        }
      }))

    it.effect("the processor that it shows is the example, and served from its file it answers as it shows", () =>
      Effect.gen(function*() {
        const { blocks, root } = yield* Readme
        const fs = yield* FileSystem.FileSystem
        const { folder } = yield* programs
        const shown = blocks.find(({ language, section }) => language === "ts" && section === written)
        const example = yield* fs.readFileString(`${root}/src/examples/PingPong.ts`)
        const [, code = ""] = example.split(" */\n")
        assert.strictEqual(shown?.text, code.replace("../millstream.ts", "millstream").trimEnd())

        const [serve, ...steps] = Tour.steps(blocks, [written])
        const [npx, millstream, ...args] = serve?.script.split(" ") ?? []
        assert.deepStrictEqual([npx, millstream], ["npx", "millstream"])
        const env = { PORT: "0", MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder }
        const command = [process.execPath, [`${root}/src/cli/main.ts`, ...args], env] as const
        const greeting = yield* Tour.until(/1 layer at work[^]*http:\/\/127\.0\.0\.1:\d+/, folder, ...command)
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(greeting)?.[0] ?? ""
        const printed = yield* Tour.take(root, url, steps)
        assert.strictEqual(Tour.differences(steps, printed, url).join("\n\n"), "")
      }))

    it.effect("a program that embeds the service prints what it shows", () =>
      Effect.gen(function*() {
        const { blocks } = yield* Readme
        const { files, folder } = yield* programs
        const section = "Inside your own program"
        const program = files.find((file) => file.section === section)
        const shown = blocks.find((block) => block.section === section && block.language === "text")
        assert.isDefined(program)
        assert.isDefined(shown)
        const env = { PORT: "0", MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder }
        const lines = new RegExp(shown.text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
        yield* Tour.until(lines, folder, process.execPath, [program.file], env)
      }))

    it.effect("its table lists every setting, its default and its meaning", () =>
      Effect.gen(function*() {
        const { text } = yield* Readme
        const [, section = ""] = text.split("\n## Configuration\n")
        const rows = (section.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("| `"))
        const expected = settings.map(({ fallback, meaning, name }) =>
          `| \`${name}\` | ${fallback === undefined || fallback === "" ? "" : `\`${fallback}\``} | ${meaning} |`)
        assert.deepStrictEqual(rows, expected)
      }))

    it.effect("what it names is there: files, links, scripts, pages", () =>
      Effect.gen(function*() {
        const { root, text, url } = yield* Readme
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const client = yield* HttpClient.HttpClient
        const { bin, scripts } = decodeScripts(yield* fs.readFileString(path.join(root, "package.json")))
        const matches = (form: RegExp) => [...new Set(Array.from(text.matchAll(form), ([, found = ""]) => found))]

        const files = [...matches(/\]\(([^)#:]+)\)/g), ...matches(/(?<![\w/.])((?:src|test)\/[\w./-]+|[\w-]+\.yml)/g)]
        assert.includeMembers(files, ["LICENSE", "docker-compose.yml", "src/main.ts", "src/cli/main.ts"])
        for (const file of files) assert.isTrue(yield* fs.exists(path.join(root, file)), file)
        for (const script of matches(/npm run ([\w:]+)/g)) assert.property(scripts, script)
        assert.deepStrictEqual(matches(/node_modules\/millstream\/([\w./]+)/g), [bin.millstream])
        const pages = matches(/`(\/(?:api\/)?[a-z.]+)`/g)
        assert.includeMembers(pages, ["/docs", "/openapi.json", "/health", "/metrics", "/api/types"])
        for (const page of pages) assert.strictEqual((yield* client.get(`${url}${page}`)).status, 200, page)
      }))
  }
)

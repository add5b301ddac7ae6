/** The linter must be able to fail: each case breaks one rule in a small project that has our configuration. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import { forbidden } from "../.lint/Arrows.ts"
import { run } from "./Command.ts"

const clean = `import { Schema } from "effect"
export const Ping = Schema.Struct({ from: Schema.String })
`

const lint = Effect.fn("lint")(function*(files: Record<string, string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const project = path.resolve(import.meta.dirname, "..")
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "millstream-lint-" })
  for (const name of ["package.json", "tsconfig.json", ".oxlintrc.json", ".vitest.config.ts", ".lint"]) {
    yield* fs.copy(path.join(project, name), path.join(folder, name))
  }
  yield* fs.symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"))
  const all = { "src/domain/Ping.ts": clean, "src/log/Store.ts": clean, "test/Ping.test.ts": clean, ...files }
  for (const [name, text] of Object.entries(all)) {
    yield* fs.makeDirectory(path.dirname(path.join(folder, name)), { recursive: true })
    yield* fs.writeFileString(path.join(folder, name), text)
  }
  return yield* run(folder, "npm", ["run", "lint"])
}, Effect.scoped)

const offences: ReadonlyArray<readonly [what: string, file: string, text: string, says: string]> = [
  ["an any", "src/domain/Bad.ts", "export const bad = (value: any) => String(value)\n", "no-explicit-any"],
  [
    "a floating effect",
    "src/log/Bad.ts",
    `import { Effect } from "effect"\nexport const bad = () => {\n  Effect.log("never runs")\n}\n`,
    "floatingEffect"
  ],
  [
    "a floating promise",
    "src/log/Bad.ts",
    "export const bad = () => {\n  Promise.resolve(1)\n}\n",
    "no-floating-promises"
  ],
  [
    "an arrow the wrong way",
    "src/domain/Bad.ts",
    `export { Ping } from "../log/Store.ts"\n`,
    "src/domain must not import src/log"
  ],
  ["a default export", "src/domain/Bad.ts", "export default 1\n", "no-default-export"]
]

layer(NodeServices.layer, { excludeTestServices: true })("npm run lint", (it) => {
  it.effect("accepts a clean project", () =>
    Effect.gen(function*() {
      const { exitCode, output } = yield* lint({})
      assert.strictEqual(exitCode, 0, output)
    }))

  for (const [what, file, text, says] of offences) {
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function*() {
        const { exitCode, output } = yield* lint({ [file]: text })
        assert.notStrictEqual(exitCode, 0, output)
        assert.include(output, says)
        assert.include(output, file)
      }))
  }
})

describe("the arrows", () => {
  const answer = (from: string, specifier: string) => forbidden("/project/src", `/project/src/${from}`, specifier)

  it.each([
    ["api/StreamsApi.ts", "../domain/Event.ts"],
    ["client/Client.ts", "../api/Api.ts"],
    ["cli/Append.ts", "../client/Client.ts"],
    ["log/migrations/0001_log.ts", "../Tables.ts"],
    ["processor/Supervisor.ts", "../log/EventStore.ts"],
    ["http/StreamsHandlers.ts", "../log/EventStore.ts"],
    ["cli/Serve.ts", "../main.ts"],
    ["cli/main.ts", "./Serve.ts"],
    ["main.ts", "./log/EventStore.ts"],
    ["examples/ping.ts", "../client.ts"],
    ["client/RemoteProcessors.ts", "../processor/Supervisor.ts"],
    ["client/remote/Signals.ts", "../../log/Growth.ts"],
    ["client/remote/Signals.ts", "../Connection.ts"],
    ["client.ts", "./client/RemoteProcessors.ts"],
    ["testing/Scenario.ts", "../processor/Processor.ts"],
    ["testing.ts", "./testing/Scenario.ts"],
    ["domain/Event.ts", "effect"],
    ["log/EventStore.ts", "node:crypto"]
  ])("%s may import %s", (from, specifier) => assert.isUndefined(answer(from, specifier)))

  it.each([
    ["domain/Event.ts", "../log/EventStore.ts"],
    ["domain/Event.ts", "node:crypto"],
    ["api/StreamsApi.ts", "../http/StreamsHandlers.ts"],
    ["client/Client.ts", "../log/EventStore.ts"],
    ["client/remote/Signals.ts", "node:crypto"],
    ["client/remote/Signals.ts", "../../http/Routing.ts"],
    ["processor/Fold.ts", "node:crypto"],
    ["client/Client.ts", "@effect/platform-node"],
    ["cli/Append.ts", "../log/EventStore.ts"],
    ["cli/Append.ts", "../main.ts"],
    ["log/EventStore.ts", "../processor/Supervisor.ts"],
    ["log/migrations/0001_log.ts", "../../http/Formats.ts"],
    ["processor/Supervisor.ts", "../builtin/Reminder.ts"],
    ["http/StreamsHandlers.ts", "../client/Client.ts"],
    ["examples/ping.ts", "../log/EventStore.ts"],
    ["processor/Processor.ts", "../testing/Scenario.ts"],
    ["testing/Scenario.ts", "../http/Routing.ts"],
    ["log/EventStore.ts", "../../test/Command.ts"],
    ["shelf/New.ts", "../domain/Event.ts"]
  ])("%s may not import %s", (from, specifier) => assert.isString(answer(from, specifier)))
})

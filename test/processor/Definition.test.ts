/** A definition folds anywhere, so what it imports must run in a browser. Sees literal specifiers only. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"

/** Imports that are there when the module runs; types are gone by then. */
const imported = /^(?:import|export)\s+(?!type\b)[^;"]*?from\s+"([^"]+)"/gm

/** All that a module of `src` imports, directly or not: its own files, and packages by their names. */
const reach = Effect.fn("reach")(function*(entry: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const source = path.resolve(import.meta.dirname, "../../src")
  const found = new Set<string>()
  const waiting = [path.join(source, entry)]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const name = path.relative(source, file)
    if (found.has(name)) continue
    found.add(name)
    for (const [, specifier = ""] of (yield* fs.readFileString(file)).matchAll(imported)) {
      if (specifier.startsWith(".")) waiting.push(path.resolve(path.dirname(file), specifier))
      else found.add(specifier)
    }
  }
  return found
})

layer(NodeServices.layer, { excludeTestServices: true })("a definition", (it) => {
  it.effect("imports the domain, its own folder and effect, and nothing else", () =>
    Effect.gen(function*() {
      const found = yield* reach("processor/Processor.ts")
      const others = [...found].filter((name) => !/^(domain|processor)\/|^effect(\/|$)/.test(name))
      assert.deepStrictEqual(others, [])
      assert.include([...found], "processor/Fold.ts")
      assert.include([...found], "effect")
    }))

  it.effect("comes from a door that runs in a browser", () =>
    Effect.gen(function*() {
      const found = yield* reach("millstream.ts")
      assert.deepStrictEqual([...found].filter((name) => /^(node:|@effect\/|log\/|http\/|testing)/.test(name)), [])
    }))
})

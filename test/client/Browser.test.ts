/** What `millstream/client` and `millstream` load, they load in a browser too: nothing of Node, nothing of Postgres. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"

/** All that a module loads, directly or not: what is imported for its types alone is not loaded. */
const loadedBy = (door: string): ReadonlySet<string> => {
  const loaded = new Set<string>()
  const files = [resolve(import.meta.dirname, "../../src", door)]
  for (const file of files) {
    const text = readFileSync(file, "utf8")
    for (const [, specifier = ""] of text.matchAll(/^(?:import|export)(?! type)(?:[^"'`;]*? from)? "([^"]+)"/gm)) {
      const target = specifier.startsWith(".") ? resolve(dirname(file), specifier) : specifier
      if (loaded.has(target)) continue
      loaded.add(target)
      if (specifier.startsWith(".")) files.push(target)
    }
  }
  return loaded
}

describe("a browser", () => {
  it.each(["client.ts", "millstream.ts"])("can load %s", (door) => {
    const loaded = [...loadedBy(door)]
    assert.isAbove(loaded.filter((each) => each.endsWith(".ts")).length, 10)
    // Expressions are judged where they are written; their library is plain JavaScript.
    const others = loaded.filter((each) => !each.endsWith(".ts") && !/^(?:effect(?:\/|$)|jsonata$)/.test(each))
    assert.deepStrictEqual(others, [])
    assert.deepStrictEqual(loaded.filter((each) => /\/Pg[A-Z]\w+\.ts$|\/http\//.test(each) && each.endsWith(".ts")), [])
  })

  it("would notice Node", () =>
    assert.isNotEmpty([...loadedBy("server.ts")].filter((each) => each.startsWith("node:"))))
})

/** What the command line draws: colours and trees, which must change nothing but the looks. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { stripVTControlCharacters } from "node:util"
import * as Tree from "../../src/cli/Tree.ts"
import * as YamlColour from "../../src/cli/YamlColour.ts"

const coloured = (text: string): string => {
  let state = YamlColour.initial
  return text.split("\n").map((line) => {
    const [next, out] = YamlColour.colour(state, line)
    state = next
    return out
  }).join("\n")
}

describe("colours", () => {
  it("tell keys, words and text apart, and leave block scalars alone", () => {
    const yaml =
      "---\noffset: 4\ntype: note\npayload:\n  text: |-\n    key: no key\n\n    # no comment\n  list:\n    - a: 1\n"
    const dim = (text: string) => `\u001b[2m${text}\u001b[0m`
    const lines = coloured(yaml).split("\n")
    assert.strictEqual(lines[0], dim("---"))
    assert.strictEqual(lines[1], "\u001b[36moffset\u001b[0m: \u001b[33m4\u001b[0m")
    assert.strictEqual(lines[5], "\u001b[32m    key: no key\u001b[0m")
    assert.strictEqual(lines[7], "\u001b[32m    # no comment\u001b[0m")
    assert.strictEqual(lines[8], "  \u001b[36mlist\u001b[0m:")
    assert.strictEqual(lines[9], "    - \u001b[36ma\u001b[0m: \u001b[33m1\u001b[0m")
  })

  it("add nothing to a text but escapes", () => {
    const unit = fc.constantFrom("a", ":", " ", "-", "#", "|", "\"", "\\", "1", "\n", "{}")
    fc.assert(fc.property(fc.string({ unit }), (text) => {
      assert.strictEqual(stripVTControlCharacters(coloured(text)), text)
    }))
  })
})

describe("tree", () => {
  it("puts each stream below its parent, whatever the order of paths", () => {
    const leaves = [{ path: "/x/a", head: 2 }, { path: "/x/a-b", head: 3 }, { path: "/x/a/c/d", head: 4 }]
    assert.deepStrictEqual(Tree.render("/x", 1, leaves), [
      "/x  1",
      "├── a  2",
      "│   └── c",
      "│       └── d  4",
      "└── a-b  3"
    ])
  })
})

/** Streams as a tree of text. In order of path, `/a-b` comes between `/a` and `/a/c`; here each is below its parent. */

/** A stream to show. */
export interface Leaf {
  readonly path: string
  readonly head: number
}

interface Node {
  readonly below: Map<string, Node>
  /** None for a stream that was deleted and has others below it. */
  head: number | undefined
}

const make = (): Node => ({ below: new Map(), head: undefined })

/** One line a stream, `prefix` first, with the offset of its last event. */
export const render = (
  prefix: string,
  rootHead: number | undefined,
  leaves: ReadonlyArray<Leaf>
): ReadonlyArray<string> => {
  const root = make()
  root.head = rootHead
  for (const { head, path } of leaves) {
    let node = root
    const relative = prefix === "/" ? path : path.slice(prefix.length)
    for (const segment of relative.split("/")) {
      if (segment === "") continue
      const next = node.below.get(segment) ?? make()
      node.below.set(segment, next)
      node = next
    }
    node.head = head
  }
  const lines = [named(prefix, root)]
  draw(root, "", lines)
  return lines
}

const named = (name: string, { head }: Node): string => head === undefined ? name : `${name}  ${head}`

/** At most 16 levels deep: a path has no more segments. */
const draw = (node: Node, indent: string, lines: Array<string>): void => {
  const entries = [...node.below].sort(([a], [b]) => a < b ? -1 : 1)
  for (const [index, [name, child]] of entries.entries()) {
    const isLast = index === entries.length - 1
    lines.push(`${indent}${isLast ? "└── " : "├── "}${named(name, child)}`)
    draw(child, `${indent}${isLast ? "    " : "│   "}`, lines)
  }
}

/**
 * JSON as YAML for people: block style, straight from the source text, so that numbers keep their spelling. Every
 * string reads as the same string by YAML 1.1 and 1.2. Of duplicate names the last value stays, since YAML allows one.
 * Recursive, so for texts no deeper than `JsonText.maxDepth`.
 */
import type { JsonText } from "../domain/EventText.ts"
import * as Json from "../domain/JsonText.ts"

/** Levels written as blocks; below them it is JSON on one line, since indentation grows with size times depth. */
const maxBlockDepth = 16

/** Longest name before a colon, in characters: YAML's readers look no further for the colon. */
const maxImplicitKey = 1_000

/** The YAML of a valid JSON text, ending with a line break. */
export const fromJson = (text: JsonText): string => {
  const root = new Reader(text).value()
  return isInline(root) ? `${inline(root)}\n` : block(root, "", 0).slice(1)
}

/** A string, number or word as it is written in JSON, or what holds them. */
type Tree = string | ReadonlyArray<Tree> | ReadonlyMap<string, Tree>

class Reader {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
    this.at = Json.skipSpace(text, 0)
  }

  value(): Tree {
    switch (this.text[this.at]) {
      case "{":
        return this.map()
      case "[":
        return this.list()
      case "\"":
        return this.take(Json.stringEnd(this.text, this.at))
      default:
        return this.take(Json.atomEnd(this.text, this.at))
    }
  }

  private map(): Tree {
    const members = new Map<string, Tree>()
    this.step()
    while (this.text[this.at] === "\"") {
      const name = decode(this.take(Json.stringEnd(this.text, this.at)))
      this.step()
      members.set(name, this.value())
      if (this.text[this.at] === ",") this.step()
    }
    this.step()
    return members
  }

  private list(): Tree {
    const items: Array<Tree> = []
    this.step()
    while (this.at < this.text.length && this.text[this.at] !== "]") {
      items.push(this.value())
      if (this.text[this.at] === ",") this.step()
    }
    this.step()
    return items
  }

  /** Passes one sign and the white space after it. */
  private step(): void {
    this.at = Json.skipSpace(this.text, this.at + 1)
  }

  private take(end: number): string {
    const taken = this.text.slice(this.at, end)
    this.at = Json.skipSpace(this.text, end)
    return taken
  }
}

const decode = (string: string): string => {
  if (!string.includes("\\")) return string.slice(1, -1)
  const decoded: unknown = JSON.parse(string)
  return typeof decoded === "string" ? decoded : string
}

const isInline = (tree: Tree): boolean =>
  typeof tree === "string" ? !isLiteral(tree) : (isMap(tree) ? tree.size : tree.length) === 0

/** A tree that fits on the line: a scalar, or an empty collection. */
const inline = (tree: Tree): string =>
  typeof tree !== "string" ? flow(tree) : tree.startsWith("\"") ? string(decode(tree)) : tree

/** A tree that follows a colon or dash, with the line break or space before it and the line break after it. */
const block = (tree: Tree, indent: string, depth: number): string => {
  if (typeof tree === "string") return isLiteral(tree) ? literal(decode(tree), indent) : ` ${inline(tree)}\n`
  if (isInline(tree) || depth >= maxBlockDepth) return ` ${flow(tree)}\n`
  return `\n${isMap(tree) ? mapLines(tree, indent, depth) : listLines(tree, indent, depth)}`
}

const isMap = (tree: ReadonlyArray<Tree> | ReadonlyMap<string, Tree>): tree is ReadonlyMap<string, Tree> =>
  tree instanceof Map

const mapLines = (members: ReadonlyMap<string, Tree>, indent: string, depth: number): string => {
  let lines = ""
  for (const [name, value] of members) {
    const key = string(name)
    const colon = key.length > maxImplicitKey ? `? ${key}\n${indent}:` : `${key}:`
    lines += `${indent}${colon}${block(value, `${indent}  `, depth + 1)}`
  }
  return lines
}

const listLines = (items: ReadonlyArray<Tree>, indent: string, depth: number): string => {
  let lines = ""
  const inner = `${indent}  `
  for (const item of items) {
    const written = block(item, inner, depth + 1)
    // What is in a block begins on the line of the dash.
    lines += `${indent}-${written.startsWith("\n") ? written.slice(indent.length + 2) : written}`
  }
  return lines
}

/** On one line, in the style of JSON. */
const flow = (tree: Tree): string => {
  if (typeof tree === "string") return tree.startsWith("\"") ? quoted(decode(tree)) : tree
  if (!isMap(tree)) return `[${tree.map(flow).join(", ")}]`
  const members: Array<string> = []
  for (const [name, value] of tree) {
    const key = quoted(name)
    members.push(`${key.length > maxImplicitKey ? `? ${key} ` : key}: ${flow(value)}`)
  }
  return `{${members.join(", ")}}`
}

/** Neither C0 nor C1 nor a break nor a mark nor half a pair: what both YAMLs print as it is. */
const printable = /^[\x20-\x7e\xa0-\u2027\u202a-\ufefe\uff00-\ufffd]*$/

/** First signs that mean nothing in YAML: letters, and a few more. No digit: a date or a time is no text. */
const plainStart = /^[A-Za-z_/$(\u00a1-\u2027\u202a-\ufefe\uff00-\ufffd]/
/** Texts that one of the YAMLs, or a reader of one, takes for a boolean, null or a number. */
const word = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf|infinity)$/i

const isPlain = (text: string): boolean =>
  plainStart.test(text) && printable.test(text) && text.isWellFormed() && !word.test(text) &&
  !text.includes(": ") && !text.includes(" #") && !text.endsWith(":") && text === text.trim()

const string = (text: string): string => isPlain(text) ? text : quoted(text)

/** As JSON quotes it, which YAML reads the same, with escapes for what must not stand in a YAML file as it is. */
const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(/[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g, (sign) =>
    `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Whether a string is several lines that a literal block gives back exactly. */
const isLiteral = (source: string): boolean => {
  if (!source.startsWith("\"") || !source.includes("\\n")) return false
  const text = decode(source)
  return text.isWellFormed() && /^[^ \n]/.test(text) && !/\n\n$|[^\S\n](?:\n|$)/.test(text) && text.includes("\n") &&
    text.split("\n").every((line) => printable.test(line))
}

/** The block without its last line break keeps none, else it keeps that one. */
const literal = (text: string, indent: string): string => {
  const margin = indent === "" ? "  " : indent
  const complete = text.endsWith("\n")
  const lines = (complete ? text.slice(0, -1) : text).split("\n")
  return ` |${complete ? "" : "-"}\n${lines.map((line) => line === "" ? "\n" : `${margin}${line}\n`).join("")}`
}

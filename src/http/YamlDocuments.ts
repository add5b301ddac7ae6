/**
 * YAML as the JSON it means: core schema of YAML 1.2, names are strings, an alias is a copy. Numbers keep their digits.
 * What JSON cannot say (tags, a name twice, a list as a name) is not taken.
 */
import { Result } from "effect"
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser } from "yaml"
import type { CST, ParsedNode } from "yaml"
import { maxEventBytes } from "../domain/Bounds.ts"
import type { JsonText } from "../domain/EventText.ts"
import * as Json from "../domain/JsonText.ts"
import { InvalidEvent, InvalidRequest, PayloadTooLarge } from "../domain/StreamError.ts"
import * as Batch from "./Batch.ts"

/** Most tokens of a body: a thousand events of some twenty lines. A token takes up to 4 µs of everyone's time. */
const maxTokens = 150_000

/** Most characters of JSON that the aliases of a body may stand for, so that a few of them cannot fill the memory. */
const maxAliasedLength = 1024 * 1024

/** The text is no YAML, or none that means JSON; `reason` says why. */
export class NotYaml {
  readonly _tag = "NotYaml"
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

export type Problem = NotYaml | InvalidRequest | InvalidEvent | PayloadTooLarge

/** Levels of the parser's own stack that are not levels of the value. */
const stackMargin = 8

/** Longest hexadecimal or octal number, in characters: a longer one takes ever more time to write in decimal. */
const maxRadixLength = 1_000

/** The documents of a text, without those that are empty. */
export const parse = (text: string): Result.Result<ReadonlyArray<JsonText>, Problem> => {
  try {
    return Result.succeed(documents(text))
  } catch (cause) {
    if (cause instanceof Refused) return Result.fail(cause.problem)
    // The parser reports what is wrong with a text; what it throws all the same is about the text too.
    return Result.fail(new NotYaml(cause instanceof Error ? cause.message : String(cause)))
  }
}

/** Carries a problem out of the recursion. */
class Refused {
  readonly problem: Problem
  constructor(problem: Problem) {
    this.problem = problem
  }
}

const refuse = (problem: Problem): never => {
  throw new Refused(problem)
}

const tooDeep = (): never =>
  refuse(new InvalidRequest({ reason: `The body nests deeper than ${Json.maxDepth} levels` }))

const documents = (text: string): ReadonlyArray<JsonText> => {
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // Compares every name with every other; the names are looked at below.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent"
  })
  const found: Array<JsonText> = []
  const writer = new Writer()
  for (const document of composer.compose(tokens(text), false, text.length)) {
    const problem = document.errors[0] ?? document.warnings[0]
    if (problem !== undefined) return refuse(new NotYaml(problem.message))
    const root = document.contents
    if (root === null || isScalar(root) && root.value === null && root.source === "") continue
    const json = writer.document(root)
    if (Json.isTooDeep(json)) return tooDeep()
    found.push(json)
  }
  return found
}

/** The tokens of the whole text: what is too much is found before anything recursive sees it. */
const tokens = (text: string): ReadonlyArray<CST.Token> => {
  const found: Array<CST.Token> = []
  const parser = new Parser()
  let count = 0
  const keep = (made: Iterable<CST.Token>): void => {
    for (const token of made) {
      if (token.type === "error") refuse(new NotYaml(token.message))
      found.push(token)
    }
  }
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > maxTokens) {
      refuse(
        new PayloadTooLarge({
          limit: maxTokens,
          reason: `YAML of more than ${maxTokens} tokens takes too long to read: send it as JSON or NDJSON`
        })
      )
    }
    // A scalar longer than an event may be: folding its lines would take longer than refusing it.
    if (lexeme.length > maxEventBytes) refuse(Batch.tooLarge())
    keep(parser.next(lexeme))
    if (parser.stack.length > Json.maxDepth + stackMargin) tooDeep()
  }
  keep(parser.end())
  return found
}

/** Writes nodes as JSON. Recursive, since the depth is known by then. */
class Writer {
  private anchors = new Map<string, JsonText>()
  private aliased = 0

  document(root: ParsedNode): JsonText {
    this.anchors = new Map()
    return this.node(root)
  }

  private node(node: ParsedNode | null): JsonText {
    if (node === null) return "null"
    if (isAlias(node)) return this.alias(node.source)
    const json = isMap(node) ? this.map(node.items) : isSeq(node) ? this.sequence(node.items) : scalar(node)
    // Named only when it is complete, so that it cannot hold itself.
    if (node.anchor !== undefined) this.anchors.set(node.anchor, json)
    return json
  }

  private alias(name: string): JsonText {
    const json = this.anchors.get(name)
    if (json === undefined) return refuse(new NotYaml(`The alias *${name} stands before its anchor, or has none`))
    this.aliased += json.length
    return this.aliased > maxAliasedLength
      ? refuse(
        new InvalidRequest({
          reason: `The aliases stand for more than ${maxAliasedLength} characters: write out what they stand for`
        })
      )
      : json
  }

  private sequence(items: ReadonlyArray<ParsedNode>): JsonText {
    return `[${items.map((item) => this.node(item)).join(",")}]`
  }

  private map(items: ReadonlyArray<{ readonly key: ParsedNode; readonly value: ParsedNode | null }>): JsonText {
    const names = new Set<JsonText>()
    const members: Array<string> = []
    for (const { key, value } of items) {
      const name = this.node(key)
      if (!name.startsWith("\"")) refuse(new NotYaml(`${name.slice(0, 64)} is no name`))
      if (names.has(name)) refuse(new NotYaml(`The name ${name.slice(0, 64)} occurs twice`))
      names.add(name)
      members.push(`${name}:${this.node(value)}`)
    }
    return `{${members.join(",")}}`
  }
}

const scalar = ({ value, source }: { readonly value: unknown; readonly source?: string | undefined }): JsonText => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value)
    case "boolean":
      return String(value)
    case "number":
      return number(value, source ?? String(value))
    default:
      return value === null ? "null" : refuse(new NotYaml(`A ${typeof value} has no form in JSON`))
  }
}

const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/
const coreNumber = /^([-+]?)([0-9]*)(?:\.([0-9]*))?([eE][-+]?[0-9]+)?$/

/** The number with the digits that were written, in the spelling of JSON. */
const number = (value: number, source: string): JsonText => {
  if (jsonNumber.test(source)) return source
  const parts = coreNumber.exec(source)
  if (parts !== null) {
    const [, sign, whole = "", fraction = "", exponent = ""] = parts
    return (sign === "-" ? "-" : "") + (whole.replace(/^0+(?=.)/, "") || "0") +
      (fraction === "" ? "" : `.${fraction}`) + exponent
  }
  if (source.startsWith("0") && source.length <= maxRadixLength) return BigInt(source).toString()
  return refuse(
    new InvalidEvent({
      reason: Number.isFinite(value)
        ? `A number of ${source.length} characters is too long: write it in decimal`
        : `${source} has no form in JSON: use null or a string`
    })
  )
}

/**
 * JSON as source text: parts of it are cut out and compared without being parsed, so that they stay what was sent.
 * Where a text must be valid, `JSON.parse` has accepted it before; no function here throws for such a text.
 */
import type { JsonText } from "./EventText.ts"

/** Deepest nesting of arrays and objects, in levels: what recursive readers of any language still take. */
export const maxDepth = 512

/** Characters of a string that are scanned here; the rest by the engine's own search, which costs more to start. */
const shortString = 32

const tab = 0x09
const newLine = 0x0a
const carriageReturn = 0x0d
const space = 0x20
const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Whether arrays and objects nest deeper than `maxDepth`. Takes any text, in one pass without recursion. */
export const isTooDeep = (text: string): boolean => {
  // A valid text closes what it opens, so a short one needs no look.
  if (text.length <= 2 * maxDepth) return false
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) i = stringEnd(text, i) - 1
    else if (code === openBrace || code === openBracket) {
      if (++depth > maxDepth) return true
    } else if (code === closeBrace || code === closeBracket) depth--
  }
  return false
}

/** The text without white space outside strings; the very same string where there is none. */
export const minify = (text: string): JsonText => {
  let minified = ""
  let kept = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) i = stringEnd(text, i) - 1
    else if (isSpace(code)) {
      if (i > kept) minified += text.slice(kept, i)
      kept = i + 1
    }
  }
  return kept === 0 ? text : minified + text.slice(kept)
}

/**
 * The minified values of the named members of a valid object, in the order of `names`. The last of duplicates wins,
 * as in `JSON.parse`; a name may be written with escapes.
 */
export const members = (text: string, names: ReadonlyArray<string>): ReadonlyArray<JsonText | undefined> => {
  const found: Array<JsonText | undefined> = []
  for (let n = 0; n < names.length; n++) found.push(undefined)
  let i = skipSpace(text, skipSpace(text, 0) + 1)
  while (text.charCodeAt(i) === quote) {
    const nameEnd = stringEnd(text, i)
    const name = indexOfName(text, i, nameEnd, names)
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const scanned = valueEnd(text, start)
    const end = scanned < 0 ? ~scanned : scanned
    if (name >= 0) found[name] = scanned < 0 ? minify(text.slice(start, end)) : text.slice(start, end)
    i = skipSpace(text, end)
    if (text.charCodeAt(i) === comma) i = skipSpace(text, i + 1)
  }
  return found
}

/** An object, from its fields as JSON text; those that are `undefined` are left out. */
export const object = (fields: { readonly [name: string]: JsonText | undefined }): JsonText => {
  const present = Object.entries(fields)
    .flatMap(([name, text]) => text === undefined ? [] : `${JSON.stringify(name)}:${text}`)
  return `{${present.join(",")}}`
}

/** The elements of a valid array as they were written. */
export const elements = (text: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let i = skipSpace(text, skipSpace(text, 0) + 1)
  while (i < text.length && text.charCodeAt(i) !== closeBracket) {
    const scanned = valueEnd(text, i)
    const end = scanned < 0 ? ~scanned : scanned
    found.push(text.slice(i, end))
    i = skipSpace(text, end)
    if (text.charCodeAt(i) === comma) i = skipSpace(text, i + 1)
  }
  return found
}

/** The lines of NDJSON that are not blank: JSON holds no line break inside a string. */
export const lines = (text: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let i = skipSpace(text, 0); i < text.length;) {
    const next = text.indexOf("\n", i)
    const end = next < 0 ? text.length : next
    found.push(text.slice(i, end))
    i = skipSpace(text, end)
  }
  return found
}

/**
 * Whether two valid texts, no deeper than `maxDepth`, mean the same: neither white space, nor the order of names, nor
 * the spelling of strings matters. Numbers are compared as they are written, so `1` and `1.0` differ.
 */
export const equal = (a: string, b: string): boolean =>
  a === b || minify(a) === minify(b) || equalValues(JSON.parse(a, keepNumber), JSON.parse(b, keepNumber))

/** Index after the string that begins at `start`; the end of the text where it is not closed. */
export const stringEnd = (text: string, start: number): number => {
  const near = Math.min(text.length, start + shortString)
  let i = start + 1
  while (i < near) {
    const code = text.charCodeAt(i)
    if (code === quote) return i + 1
    i += code === backslash ? 2 : 1
  }
  for (;;) {
    const candidate = text.indexOf("\"", i)
    if (candidate < 0) return text.length
    let escapes = candidate
    while (escapes > i && text.charCodeAt(escapes - 1) === backslash) escapes--
    if ((candidate - escapes) % 2 === 0) return candidate + 1
    i = candidate + 1
  }
}

/** Index of the first character at or after `start` that is no white space. */
export const skipSpace = (text: string, start: number): number => {
  let i = start
  while (isSpace(text.charCodeAt(i))) i++
  return i
}

const isSpace = (code: number): boolean =>
  code === space || code === newLine || code === tab || code === carriageReturn

/** Index after the value that begins at `start`; its complement where white space outside strings was seen. */
const valueEnd = (text: string, start: number): number => {
  const first = text.charCodeAt(start)
  if (first === quote) return stringEnd(text, start)
  if (first !== openBrace && first !== openBracket) return atomEnd(text, start)
  let depth = 0
  let spaced = false
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) i = stringEnd(text, i) - 1
    else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) {
      if (--depth === 0) return spaced ? ~(i + 1) : i + 1
    } else if (isSpace(code)) spaced = true
  }
  return text.length
}

/** Index after the number or word that begins at `start`. */
export const atomEnd = (text: string, start: number): number => {
  let i = start + 1
  while (i < text.length) {
    const code = text.charCodeAt(i)
    if (code === comma || code === closeBrace || code === closeBracket || isSpace(code)) break
    i++
  }
  return i
}

const indexOfName = (text: string, start: number, end: number, names: ReadonlyArray<string>): number => {
  const length = end - start - 2
  for (let n = 0; n < names.length; n++) {
    const name = names[n]
    if (name !== undefined && name.length === length && text.startsWith(name, start + 1)) return n
  }
  const written = text.slice(start, end)
  return written.includes("\\") ? names.indexOf(JSON.parse(written)) : -1
}

/** A number as it is written. */
class Written {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const keepNumber = (_name: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === "number" ? new Written(context?.source ?? String(value)) : value

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null

const equalValues = (a: unknown, b: unknown): boolean => {
  if (a instanceof Written) return b instanceof Written && a.text === b.text
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((element, i) => equalValues(element, b[i]))
  }
  if (!isObject(a)) return a === b
  if (!isObject(b) || b instanceof Written || Array.isArray(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalValues(a[name], b[name]))
}

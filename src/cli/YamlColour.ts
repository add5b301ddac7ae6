/**
 * Colours for YAML as the server writes it, line by line, so that a tail shows each line when it comes. Keys, words and
 * numbers are told apart by their looks; the text of a block scalar is left alone.
 */

const escape = (code: string) => (text: string): string => text === "" ? "" : `\u001b[${code}m${text}\u001b[0m`
const dim = escape("2")
const key = escape("36")
const word = escape("33")
const text = escape("32")
const strong = escape("1")

/** Indentation of the block scalar that a line may belong to, with the lines before. */
export type State = { readonly block: number | undefined }
export const initial: State = { block: undefined }

const entry = /^(\s*(?:- )*)("(?:[^"\\]|\\.)*"|[^\s"#][^:]*?):(?:( )(.*))?$/
const item = /^(\s*(?:- )+)(.*)$/
const opensBlock = /^[|>][+-]?\d?[+-]?$/
const plainWord = /^(?:null|true|false|[+-]?\d[\d.eE+-]*|\[\]|\{\})$/

const value = (name: string, raw: string): string =>
  opensBlock.test(raw) ? dim(raw) : name === "type" ? strong(raw) : plainWord.test(raw) ? word(raw) : text(raw)

/** The line in colour, and what it says of the next. */
export const colour = (state: State, line: string): readonly [State, string] => {
  const indent = line.length - line.trimStart().length
  if (state.block !== undefined && (line.trim() === "" || indent > state.block)) return [state, text(line)]
  if (line === "---" || line.startsWith("#")) return [initial, dim(line)]
  const found = entry.exec(line)
  if (found !== null) {
    const [, lead = "", name = "", space = "", raw = ""] = found
    return [opensBlock.test(raw) ? { block: lead.length } : initial, `${lead}${key(name)}:${space}${value(name, raw)}`]
  }
  const listed = item.exec(line)
  if (listed === null) return [initial, line]
  const [, lead = "", raw = ""] = listed
  return [opensBlock.test(raw) ? { block: lead.length - 2 } : initial, `${lead}${value("", raw)}`]
}

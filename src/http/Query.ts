/**
 * The query of a URL as the value that a contract's schema makes of it. A parameter that is not known, or is given
 * twice, is refused: a typo is never silence.
 */
import { Result, Schema, SchemaIssue } from "effect"
import { nearest } from "../domain/Nearest.ts"
import { InvalidRequest } from "../domain/StreamError.ts"

/** A struct of codecs from text, such as `src/api` defines. */
type QuerySchema = Schema.ConstraintDecoder<unknown> & { readonly fields: Schema.Struct.Fields }

const locate = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes the queries of one schema; what a URL without a query means is decoded once. */
export const decoder = <S extends QuerySchema>(
  schema: S
): (url: string) => Result.Result<S["Type"], InvalidRequest> => {
  const decodeFields = Schema.decodeUnknownResult(schema)
  const names = Object.keys(schema.fields)

  const decodeQuery = (query: string): Result.Result<S["Type"], InvalidRequest> => {
    const given = new Map<string, string>()
    for (const [name, value] of new URLSearchParams(query)) {
      if (!names.includes(name)) return refuse(unknown(name, names))
      if (given.has(name)) return refuse(`\`${name}\` is given twice`)
      given.set(name, value)
    }
    return Result.mapError(decodeFields(Object.fromEntries(given)), ({ issue, message }) => {
      const at = locate(issue).issues[0]?.path?.[0]
      const name = typeof at === "string" ? at : ""
      const field = schema.fields[name]
      const reason = field === undefined ? message.replaceAll(/\s+/g, " ") : wrong(name, field, given.get(name))
      return new InvalidRequest({ reason })
    })
  }

  const none = decodeQuery("")
  return (url) => {
    const start = url.indexOf("?")
    return start < 0 ? none : decodeQuery(url.slice(start + 1))
  }
}

/** The value of a URL's query. It compiles the schema each time, which takes milliseconds: routes use `decoder`. */
export const decode = <S extends QuerySchema>(schema: S, url: string): Result.Result<S["Type"], InvalidRequest> =>
  decoder(schema)(url)

/** Longest part of what a caller sent that is shown in a refusal, in characters. */
const longestShown = 64

const refuse = (reason: string): Result.Result<never, InvalidRequest> => Result.fail(new InvalidRequest({ reason }))

const unknown = (name: string, known: ReadonlyArray<string>): string =>
  `\`${name.slice(0, longestShown)}\` is no parameter of this request. Did you mean \`${nearest(name, known)}\`? ` +
  `It takes ${known.map((each) => `\`${each}\``).join(", ")}`

const wrong = (name: string, field: Schema.Constraint, given: string | undefined): string => {
  const annotations = Schema.resolveAnnotations(field)
  return `\`${name}\` takes ${annotations?.["expected"] ?? annotations?.["description"] ?? "another value"}` +
    (given === undefined ? " and is missing" : `, not ${JSON.stringify(given.slice(0, longestShown))}`)
}

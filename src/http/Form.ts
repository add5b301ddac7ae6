/** Forms as JSON: an object from names to texts, in the order of the form; a repeated name gives an array. */
import { Result } from "effect"
import * as MultipartParser from "effect/http/MultipartParser"
import { isUtf8 } from "node:buffer"
import type { JsonText } from "../domain/EventText.ts"

/** Most parts of a multipart form: more than any form has, and little enough that their headers cost nothing. */
const maxParts = 1_000

/** The fields of `application/x-www-form-urlencoded`. What is no valid escape is kept as `URLSearchParams` does. */
export const fromUrlEncoded = (text: string): JsonText => {
  const fields = new Fields()
  // A name without a sign takes Node a hundred times as long as one with it, and means the same.
  const pairs = text.split("&").map((pair) => pair === "" || pair.includes("=") ? pair : `${pair}=`)
  for (const [name, value] of new URLSearchParams(pairs.join("&"))) fields.add(name, JSON.stringify(value))
  return fields.toJson()
}

/**
 * The parts of `multipart/form-data`: a field as its text, a file as `{ filename, contentType, base64 }`. A field that
 * is not UTF-8 is `{ base64 }`. Fails with what is wrong, as a sentence.
 */
export const fromMultipart = (body: Uint8Array, contentType: string): Result.Result<JsonText, string> => {
  const fields = new Fields()
  let problem: string | undefined
  const parser = MultipartParser.make({
    headers: { "content-type": contentType },
    maxParts,
    onField: (part, value) => fields.add(part.name, JSON.stringify(text(value) ?? { base64: base64(value) })),
    onFile: (part) => {
      const chunks: Array<Uint8Array> = []
      return (chunk) => {
        if (chunk !== null) chunks.push(chunk)
        else {
          const { filename, contentType } = part
          fields.add(part.name, JSON.stringify({ filename, contentType, base64: base64(Buffer.concat(chunks)) }))
        }
      }
    },
    onError: (error) => {
      problem ??= problems[error._tag]
    },
    onDone: () => {}
  })
  parser.write(body)
  parser.end()
  return problem === undefined ? Result.succeed(fields.toJson()) : Result.fail(problem)
}

const problems = {
  InvalidBoundary: "its content type names no boundary",
  BadHeaders: "a part has malformed headers",
  InvalidDisposition: "a part has no name",
  ReachedLimit: `it has more than ${maxParts} parts`,
  EndNotReached: "its last boundary is missing"
} satisfies { readonly [Tag in MultipartParser.MultipartError["_tag"]]: string }

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const base64 = (bytes: Uint8Array): string => buffer(bytes).toString("base64")
const text = (bytes: Uint8Array): string | undefined => isUtf8(bytes) ? buffer(bytes).toString() : undefined

/** Names with their values as JSON. Not an object, so that `__proto__` is a name like any other. */
class Fields {
  private readonly values = new Map<string, Array<JsonText>>()

  add(name: string, value: JsonText): void {
    const known = this.values.get(name)
    if (known === undefined) this.values.set(name, [value])
    else known.push(value)
  }

  toJson(): JsonText {
    const members: Array<string> = []
    for (const [name, values] of this.values) {
      members.push(`${JSON.stringify(name)}:${values.length === 1 ? values[0] ?? "" : `[${values.join(",")}]`}`)
    }
    return `{${members.join(",")}}`
  }
}

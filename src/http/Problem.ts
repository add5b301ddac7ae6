/** Errors as RFC 9457 problem documents. Each carries its tag and fields, so that a client can rebuild it. */
import { Schema } from "effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { contentType } from "../api/Problem.ts"
import { status, StreamError } from "../domain/StreamError.ts"
import * as JsonIndent from "./JsonIndent.ts"

export { contentType } from "../api/Problem.ts"

const encode = Schema.encodeSync(StreamError)

/** `IdempotencyConflict` as people read it. */
const titleOf = (tag: string): string => tag.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

/** The document of an error. */
export const toDocument = (error: StreamError) => ({
  type: "about:blank",
  title: titleOf(error._tag),
  status: status[error._tag],
  detail: error.message,
  ...encode(error)
})

/** Its status, and the headers that tell programs what to do next. */
export const statusOf = (error: StreamError): number => status[error._tag]
export const headersOf = (error: StreamError): { readonly [name: string]: string } =>
  error._tag === "Unavailable"
    ? { "retry-after": String(error.retryAfterSeconds) }
    : error._tag === "Unauthorized"
    ? { "www-authenticate": "Bearer" }
    : {}

/** The answer that an error becomes. */
export const toResponse = (
  error: StreamError,
  options?: { readonly pretty: boolean }
): HttpServerResponse.HttpServerResponse => {
  const text = JSON.stringify(toDocument(error))
  return HttpServerResponse.text(options?.pretty === true ? JsonIndent.indent(text) : text, {
    status: statusOf(error),
    contentType,
    headers: headersOf(error)
  })
}

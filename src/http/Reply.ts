/** Answers in JSON: on one line for programs, indented for people. */
import { Effect } from "effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { JsonText } from "../domain/EventText.ts"
import type { StreamError } from "../domain/StreamError.ts"
import * as JsonIndent from "./JsonIndent.ts"
import * as Problem from "./Problem.ts"

/** As much of a request as tells who asks. */
export interface Asked {
  readonly url: string
  readonly headers: { readonly [name: string]: string | undefined }
}

/** Whether the answer is for people: for curl, and where `?pretty` says so. */
export const isPretty = (request: Asked): boolean => {
  const { url } = request
  // Few URLs have the word anywhere, so most are not parsed.
  if (url.includes("pretty") && url.includes("?")) {
    const asked = new URLSearchParams(url.slice(url.indexOf("?") + 1)).get("pretty")
    if (asked !== null) return asked !== "false"
  }
  return request.headers["user-agent"]?.startsWith("curl/") === true
}

/** Minified JSON text as the answer. */
export const json = (request: Asked, text: JsonText, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(isPretty(request) ? JsonIndent.indent(text) : text, {
    status,
    contentType: "application/json"
  })

/** A problem document as the answer. */
export const problem = (request: Asked, error: StreamError): HttpServerResponse.HttpServerResponse => {
  const response = Problem.toResponse(error)
  if (!isPretty(request)) return response
  const text = JsonIndent.indent(JSON.stringify(Problem.toDocument(error)))
  return HttpServerResponse.setBody(response, HttpBody.text(text, Problem.contentType))
}

/** What an effect comes to as the answer: its JSON text, or its error as a problem document. */
export const answer = <R>(
  request: Asked,
  effect: Effect.Effect<JsonText, StreamError, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.match(effect, {
    onSuccess: (text) => json(request, text),
    onFailure: (error) => problem(request, error)
  })

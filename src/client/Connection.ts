/**
 * HTTP to one server: the address, the token, and answers as values or errors of the contract. It neither retries nor
 * resumes.
 */
import { Effect, Redacted, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import type { HttpClientResponse } from "effect/http"
import { InvalidPath } from "../domain/StreamError.ts"
import type { StreamError, Unavailable } from "../domain/StreamError.ts"
import * as StreamPath from "../domain/StreamPath.ts"
import * as Backoff from "./Backoff.ts"
import * as Problem from "./Problem.ts"

export interface Options {
  /** Such as `http://127.0.0.1:4000`; a path in it is kept, for a server behind a proxy. */
  readonly baseUrl: string
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string | Redacted.Redacted | undefined
  /** Tries of a call, and of a first connection, before its error is the caller's; `Backoff.attempts` by default. */
  readonly attempts?: number | undefined
}

/** Parameters of a URL; those that are `undefined` are left out. */
export type Query = { readonly [name: string]: string | number | undefined }

export interface Request {
  readonly method: "GET" | "POST" | "DELETE"
  /** From `/api` on. */
  readonly path: string
  readonly query?: Query | undefined
  readonly accept: string
  readonly body?: { readonly text: string; readonly contentType: string } | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
}

/** An answer with status 2xx. */
export interface Answer {
  readonly url: string
  readonly status: number
  readonly contentType: string
  /** By their names in lower case. */
  readonly headers: { readonly [name: string]: string | undefined }
  /** Fails with `Unavailable` where the connection breaks before its end. */
  readonly bytes: Stream.Stream<Uint8Array, Unavailable>
  readonly text: Effect.Effect<string, Unavailable>
}

export interface Connection {
  readonly baseUrl: string
  readonly attempts: number
  readonly send: (request: Request) => Effect.Effect<Answer, StreamError>
}

/**
 * No server takes longer than this to answer: it commits in milliseconds, refuses when its queue is full, and waits for
 * a processor for 30 seconds at most.
 */
const answerWithin = "40 seconds"

export const make = Effect.fnUntraced(function*({ attempts, baseUrl, token }: Options) {
  const client = yield* HttpClient.HttpClient
  const base = baseUrl.replace(/\/+$/, "")
  const bearer = token === undefined ? undefined : Redacted.isRedacted(token) ? Redacted.value(token) : token

  const answer = (url: string, response: HttpClientResponse.HttpClientResponse): Answer => ({
    url,
    status: response.status,
    contentType: response.headers["content-type"] ?? "",
    headers: response.headers,
    bytes: Stream.mapError(response.stream, (cause) => Problem.noAnswer(url, cause)),
    text: response.text.pipe(
      Effect.mapError((cause) => Problem.noAnswer(url, cause)),
      Effect.timeoutOrElse({
        duration: answerWithin,
        orElse: () => Effect.fail(Problem.noAnswer(url, `nothing within ${answerWithin}`))
      })
    )
  })

  const send = Effect.fnUntraced(function*({ accept, body, headers, method, path, query }: Request) {
    const url = base + path
    let request = HttpClientRequest.make(method)(url, { accept, headers: { ...headers } })
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) request = HttpClientRequest.setUrlParam(request, name, String(value))
    }
    if (body !== undefined) request = HttpClientRequest.bodyText(request, body.text, body.contentType)
    if (bearer !== undefined) request = HttpClientRequest.bearerToken(request, bearer)
    const response = yield* client.execute(request).pipe(
      Effect.mapError((cause) => Problem.noAnswer(url, cause)),
      Effect.timeoutOrElse({
        duration: answerWithin,
        orElse: () => Effect.fail(Problem.noAnswer(url, `nothing within ${answerWithin}`))
      })
    )
    const answered = answer(url, response)
    if (response.status >= 200 && response.status < 300) return answered
    return yield* Problem.fromAnswer({
      url,
      status: response.status,
      body: yield* answered.text,
      retryAfter: response.headers["retry-after"]
    })
  })

  return { baseUrl: base, attempts: attempts ?? Backoff.attempts, send } satisfies Connection
})

/** Asks for JSON and decodes it. */
export const json = <S extends Schema.ConstraintCodec<unknown, unknown>>(
  connection: Connection,
  request: Omit<Request, "accept">,
  schema: S
): Effect.Effect<S["Type"], StreamError> => {
  const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.toCodecJson(schema)))
  return Effect.gen(function*() {
    const answer = yield* connection.send({ ...request, accept: "application/json" })
    return yield* Effect.fromResult(Problem.decoded(answer.url, decode(yield* answer.text)))
  })
}

/** Judges a path before it becomes part of a URL, so that two spellings cannot name one stream. */
export const judgePath = (path: string): Effect.Effect<StreamPath.StreamPath, InvalidPath> =>
  Effect.suspend(() =>
    StreamPath.is(path)
      ? Effect.succeed(path)
      : Effect.fail(new InvalidPath({ path, reason: StreamPath.problem(path) ?? "it is not a path" }))
  )

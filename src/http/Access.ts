/**
 * Who may ask: judged for every request before it is routed. A web page cannot reach a server on loopback, since the
 * host and the origin must be the server's own or named in its settings. The token of `/in/<token>/` is judged by
 * `judgeIngest`, since it is in the path; an append without a token is judged where its signature can be.
 */
import { Context, Effect, Layer, Redacted, Tracer } from "effect"
import { HttpMiddleware, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ReadQuery, ReadWithinQuery } from "../api/ReadQuery.ts"
import { Forbidden, InvalidPath, InvalidRequest, Unauthorized } from "../domain/StreamError.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import type { Settings } from "../ServiceConfig.ts"
import * as Host from "./Host.ts"
import * as Reply from "./Reply.ts"
import * as Secret from "./Secret.ts"

/** As much of a request as access depends on. */
export interface Asked extends Reply.Asked {
  readonly method: string
}

/** Where senders append who cannot send headers. */
export const ingestPrefix = "/in/"

/** The token in `/in/<token>/<path>`; it needs no decoding, since only signs that stand plain in a URL are taken. */
export const ingestTokenIn = (url: string): string => /^\/in\/([^/?;#]*)/.exec(url)?.[1] ?? ""

const isIngest = (url: string): boolean => url.startsWith(ingestPrefix)
const isHealth = (url: string): boolean => url === "/health" || url.startsWith("/health?")

export type Terms = Pick<Settings, "host" | "token" | "ingestToken" | "allowedHosts" | "allowedOrigins">

/** Why a service with these settings must not start, with what to do, or `undefined`. */
export const judgeBinding = ({ host, token }: Pick<Settings, "host" | "token">): string | undefined =>
  token !== undefined || Host.isLoopback(host)
    ? undefined
    : `HOST=${host} can be reached from other machines, so it needs a token: set MILLSTREAM_TOKEN to a long random ` +
      "text, or HOST=127.0.0.1 to be reached from this machine only"

/** How long a browser remembers a preflight, in seconds: long enough to save most, short enough to see a change. */
const preflightSeconds = 3_600

const preflightHeaders = {
  "access-control-allow-methods": "GET, HEAD, POST, DELETE",
  "access-control-allow-headers": "authorization, content-type, idempotency-key, last-event-id",
  "access-control-allow-private-network": "true",
  "access-control-max-age": String(preflightSeconds)
}

/** What scripts of other origins may read of an answer. */
const exposedHeaders = "millstream-cursor, millstream-more, retry-after, www-authenticate, allow"

export interface Access {
  /** Why a request is refused, or `undefined`. */
  readonly refuse: (request: Asked) => StreamError | undefined
  /** Why the token of a request is refused, or `undefined`. */
  readonly judgeToken: (request: Asked) => Unauthorized | undefined
  /** The answer to a request that no route sees: a refusal, or a preflight. An append without a token is seen. */
  readonly answer: (request: Asked) => HttpServerResponse.HttpServerResponse | undefined
  /** What every answer to the request carries. */
  readonly headers: (request: Asked) => { readonly [name: string]: string }
  /** Why the token of `/in/<token>/` is refused, or `undefined`. */
  readonly judgeIngest: (token: string) => Unauthorized | Forbidden | undefined
}

export const make = (terms: Terms): Access => {
  const hosts = Host.make(terms)
  const origins = new Set(terms.allowedOrigins)
  const isToken = terms.token === undefined ? undefined : Secret.judge(Redacted.value(terms.token))
  const isIngestToken = terms.ingestToken === undefined ? undefined : Secret.judge(Redacted.value(terms.ingestToken))

  const isOwn = (origin: string, host: string | undefined): boolean =>
    host !== undefined && (origin === `http://${host}` || origin === `https://${host}`)

  const judgeOrigin = ({ headers, method, url }: Asked): Forbidden | undefined => {
    const { host, origin } = headers
    if (origin !== undefined) {
      return isOwn(origin, host) || origins.has(origin) || isIngest(url) ? undefined : new Forbidden({
        reason: `A page of ${JSON.stringify(origin.slice(0, 128))} may not use this server. ` +
          "MILLSTREAM_ALLOWED_ORIGINS names those that may"
      })
    }
    // Browsers leave the origin out of some requests, but say that a page of another site makes them.
    return headers["sec-fetch-site"] === "cross-site" && !isIngest(url) &&
        (method !== "GET" && method !== "HEAD" || url.startsWith("/api/streams"))
      ? new Forbidden({ reason: "A page of another site may neither change nor follow streams" })
      : undefined
  }

  const judgeToken = ({ headers, url }: Asked): Unauthorized | undefined => {
    if (isToken === undefined || isIngest(url) || isHealth(url)) return undefined
    const { authorization } = headers
    if (authorization === undefined) {
      return new Unauthorized({ reason: "This server needs its token: send Authorization: Bearer <MILLSTREAM_TOKEN>" })
    }
    return /^bearer /i.test(authorization) && isToken(authorization.slice(7).trim())
      ? undefined
      : new Unauthorized({ reason: "The token in Authorization is not this server's MILLSTREAM_TOKEN" })
  }

  const isPreflight = ({ headers, method }: Asked): boolean =>
    method === "OPTIONS" && headers["origin"] !== undefined && headers["access-control-request-method"] !== undefined

  const refuse = (request: Asked): StreamError | undefined =>
    hosts(request.headers["host"]) ?? judgeOrigin(request) ??
      (isPreflight(request) ? undefined : judgeToken(request) ?? judgeUrl(request))

  // Whoever sends it may be admitted by a signature, which only the append's own route can judge.
  const mayBeSigned = (request: Asked): boolean =>
    request.method === "POST" && request.url.startsWith("/api/streams/") &&
    request.headers["authorization"] === undefined && judgeUrl(request) === undefined

  const plain = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" }
  // Caches must know that the answer to another origin has other headers.
  const varied = origins.size === 0 ? plain : { ...plain, vary: "Origin" }

  return {
    refuse,
    judgeToken,
    answer: (request) => {
      const refusal = refuse(request)
      if (refusal !== undefined && !(refusal._tag === "Unauthorized" && mayBeSigned(request))) {
        return Reply.problem(request, refusal)
      }
      return isPreflight(request) ? HttpServerResponse.empty({ status: 204, headers: preflightHeaders }) : undefined
    },
    headers: ({ headers, url }) => {
      const { host, origin } = headers
      if (origin === undefined || isOwn(origin, host) || !(origins.has(origin) || isIngest(url))) return varied
      return {
        ...plain,
        vary: "Origin",
        "access-control-allow-origin": origin,
        "access-control-expose-headers": exposedHeaders
      }
    },
    judgeIngest: (token) =>
      isIngestToken === undefined
        ? new Forbidden({ reason: "This server takes nothing at /in/: MILLSTREAM_INGEST_TOKEN is not set" })
        : isIngestToken(token)
        ? undefined
        : new Unauthorized({ reason: "The token in the URL is not this server's MILLSTREAM_INGEST_TOKEN" })
  }
}

/** The router passes over what it cannot decode, so that it would look like a page that does not exist. */
const judgeUrl = ({ method, url }: Asked): InvalidPath | InvalidRequest | undefined => {
  if (url.includes("%")) {
    const query = url.indexOf("?")
    try {
      decodeURI(query < 0 ? url : url.slice(0, query))
    } catch {
      // Not shown, since a token may be in it.
      return new InvalidPath({ path: "", reason: "it is not percent-encoded text" })
    }
  }
  return routed.has(method) ? undefined : new InvalidRequest({ reason: "No route takes this method" })
}
const routed = new Set(["GET", "POST", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"])

/** Judges every request of the router, and adds what every answer carries; reads, which write their own, add it too. */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | ServiceConfig> = HttpRouter.use(
  Effect.fnUntraced(function*(router) {
    const access = make(yield* ServiceConfig)
    yield* router.addGlobalMiddleware((handler) =>
      Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const answer = access.answer(request)
        return Effect.map(
          answer === undefined ? handler : Effect.succeed(answer),
          HttpServerResponse.setHeaders(access.headers(request))
        )
      })
    )
  })
)

/** How what is served is spelled, but for what takes tokens in its path, and what is near to it. */
const served = /^\/(?:api\/(?!in(?:[/;]|$))[^\s\\#]*|health|metrics|docs|openapi\.json)?$/
/** What another reader of the URL may take for a path elsewhere. */
const misleading = /\/(?:\/|\.{1,2}(?![^/;]))|%(?:2e|2f|5c)/i

/** Whether a span may tell of the URL: of any other, served or not, a part may be a token. */
const mayBeTold = (url: string): boolean => {
  const [path = ""] = url.split("?", 1)
  return served.test(path) && !misleading.test(path) && !url.includes("#")
}

/** Parameters of reads: what is said in any other, which is refused or kept as it is, may be a secret, as its name. */
const parameters = new Set([...Object.keys(ReadQuery.fields), ...Object.keys(ReadWithinQuery.fields)])

const withoutSecrets = (text: string, start: number): string =>
  text.slice(start).split("&").every((part) => parameters.has(part.split("=", 1)[0] ?? ""))
    ? text
    : `${text.slice(0, start)}REDACTED`

/** An attribute of a request's span as it may be told; `undefined` where it may not. */
export const tellable = (name: string, value: unknown): unknown => {
  // The one header that is told unasked.
  if (name === "user_agent.original") return undefined
  if (typeof value !== "string") return value
  if (name === "url.query") return withoutSecrets(value, 0)
  return name === "url.full" && value.includes("?") ? withoutSecrets(value, value.indexOf("?") + 1) : value
}

/** Tells of requests what may be told. */
const discreet = Layer.effect(Tracer.Tracer, Effect.map(Tracer.Tracer, (tracer) =>
  Tracer.make({
    span: (options) => {
      const span = tracer.span(options)
      if (options.kind !== "server") return span
      const attribute = span.attribute.bind(span)
      span.attribute = (name, value) => {
        const told = tellable(name, value)
        if (told !== undefined) attribute(name, told)
      }
      return span
    }
  })))

/** Spans are made only of requests whose URL may be told, and hold no secrets of theirs. */
export const layerTracing: Layer.Layer<never> = Layer.merge(
  Layer.succeed(HttpMiddleware.TracerDisabledWhen, ({ url }) => !mayBeTold(url)),
  discreet
)

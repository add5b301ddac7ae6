/**
 * The contract as an OpenAPI document and as a page. The page asks no other host for anything, and its policy keeps
 * a browser from doing so.
 */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiScalar, OpenApi } from "effect/http-api"
import { Api } from "../api/Api.ts"
import { PlainQuery } from "../api/SystemApi.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

/** What the page may do: run and style what it holds, and ask this server. */
export const policy = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const document = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const text = JSON.stringify(OpenApi.fromApi(Api))
  const decode = Query.decoder(PlainQuery)

  yield* router.add("GET", "/openapi.json", (request) =>
    Reply.answer(request, Effect.as(Effect.fromResult(decode(request.url)), text)))
}))

/** Leaves out what would send the reader, the contract or statistics to the page's makers. */
const appearance = {
  withDefaultFonts: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  favicon: "data:,"
}

const page = HttpApiScalar.layer(Api, { path: "/docs", scalar: appearance }).pipe(
  Layer.provide(
    HttpRouter.middleware(Effect.map(HttpServerResponse.setHeader("content-security-policy", policy))).layer
  )
)

export const layer = Layer.merge(document, page)

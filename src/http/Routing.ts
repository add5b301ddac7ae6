/**
 * How URLs are matched, and what is answered where nothing is: a problem that names the nearest route, or the methods
 * that the route takes. Routes are known from the contract.
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { Api } from "../api/Api.ts"
import * as Problem from "../api/Problem.ts"
import { nearest } from "../domain/Nearest.ts"
import { NotFound } from "../domain/StreamError.ts"
import * as JsonIndent from "./JsonIndent.ts"
import * as Reply from "./Reply.ts"

/** Handlers cut paths out of URLs, so a URL must begin exactly as its route does. */
export const config = { caseSensitive: true, ignoreDuplicateSlashes: false } as const

/** A route of the contract: what stands before its first parameter, and whether anything may follow. */
interface Route {
  readonly prefix: string
  readonly open: boolean
  readonly method: string
}

const routes: ReadonlyArray<Route> = Object.values(Api.groups).flatMap((group) =>
  Object.values(group.endpoints).map(({ method, path }) => {
    const parameter = path.indexOf("/:")
    return { prefix: parameter < 0 ? path : path.slice(0, parameter), open: parameter >= 0, method }
  })
)
/** Routes that a person may have meant; `/` and `/in` are near to every short word. */
const named = [...new Set(routes.map(({ prefix }) => prefix))].filter((prefix) => prefix.length > 3)

/** The methods of the route at a path, none where there is no route. */
const methodsAt = (path: string): ReadonlyArray<string> => {
  const trimmed = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path
  const methods = new Set(
    routes
      .filter(({ open, prefix }) => trimmed === prefix || open && trimmed.startsWith(`${prefix}/`))
      .map(({ method }) => method)
  )
  if (methods.size === 0) return []
  return [...methods, ...(methods.has("GET") ? ["HEAD"] : []), "OPTIONS"].toSorted()
}

/** Longest part of an unknown path that is shown, in characters. */
const longestShown = 128

const pathOf = (url: string): string => {
  const end = url.search(/[?;#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** The route that was probably meant, compared by as many segments as it has. */
const nearestTo = (path: string): string | undefined =>
  nearest(path.split("/").slice(0, path.startsWith("/api/") ? 3 : 2).join("/"), named)

const notFound = (request: Reply.Asked): HttpServerResponse.HttpServerResponse => {
  const path = pathOf(request.url)
  // No token is shown: whatever begins with /in/ has a route.
  const shown = path.slice(0, longestShown)
  return Reply.problem(
    request,
    new NotFound({ reason: `There is nothing at ${shown}. Did you mean ${nearestTo(path)}? The guide is at /` })
  )
}

/** No error of the contract: its clients know the methods, and people are told. */
const methodNotAllowed = (
  request: Reply.Asked & { readonly method: string },
  methods: ReadonlyArray<string>
): HttpServerResponse.HttpServerResponse => {
  const allow = methods.join(", ")
  const document = JSON.stringify({
    type: "about:blank",
    title: "Method not allowed",
    status: 405,
    detail: `${request.method} means nothing here: this route takes ${allow}`,
    _tag: "MethodNotAllowed",
    allow: methods
  })
  return HttpServerResponse.text(Reply.isPretty(request) ? JsonIndent.indent(document) : document, {
    status: 405,
    contentType: Problem.contentType,
    headers: { allow }
  })
}

/** Answers what no other route does. */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  // HEAD is left out: the router answers it as GET where it has no route of its own.
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
    yield* router.add(method, "/*", (request) =>
      Effect.sync(() => {
        const methods = methodsAt(pathOf(request.url))
        if (methods.length === 0) return notFound(request)
        return request.method === "OPTIONS"
          ? HttpServerResponse.empty({ status: 204, headers: { allow: methods.join(", ") } })
          : methodNotAllowed(request, methods)
      }))
  }
}))

/** `GET /`: a short guide as plain text, with this server's own URL in each command. */
import { Effect, Result } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PlainQuery } from "../api/SystemApi.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

/** The guide of a server at `url`; where it has a token, each command sends it. */
export const text = (url: string, withToken: boolean): string => {
  const curl = withToken ? `curl -H "Authorization: Bearer $MILLSTREAM_TOKEN"` : "curl"
  return `Millstream: append-only event streams at URLs

Append an event. The first one makes the stream.
  ${curl} -d '{"type":"ping","payload":{"from":"ada"}}' ${url}/api/streams/games/1
  ${curl} -d 'type: ping' ${url}/api/streams/games/1

Follow a stream, or it and all below it, until Ctrl-C.
  ${curl} -N ${url}/api/streams/games/1
  ${curl} -N '${url}/api/streams/games/**'

Read what exists.
  ${curl} '${url}/api/streams/games/1?live=false&last=10'

What a stream has come to, and the streams below one.
  ${curl} ${url}/api/state/games/1
  ${curl} '${url}/api/children/?recursive'

Why an event is there, and all that it led to.
  ${curl} '${url}/api/causes/games/1?offset=2'
  ${curl} '${url}/api/causes/games/1?offset=2&effects'

The processors on this server; what one has made of a stream, now and as of an offset; and how to let one that is
parked try again.
  ${curl} ${url}/api/processors
  ${curl} '${url}/api/state/games/1?processor=ping-pong&at=2'
  ${curl} -X POST '${url}/api/processors/ping-pong/resume?streamPath=/games/1'

Once a minute; what a webhook sends as events of your own; each event pushed to a URL.
  ${curl} ${url}/api/types/schedule/configured
  ${curl} ${url}/api/types/transformer/configured
  ${curl} ${url}/api/types/subscription/configured

Delete the events of a stream.
  ${curl} -X DELETE ${url}/api/streams/games/1

The events that mean something to the server, and an example of each.
  ${curl} ${url}/api/types
  ${curl} ${url}/api/types/stream/paused

Everything else
  ${url}/docs (a page), ${url}/openapi.json
  ${url}/health, ${url}/metrics
`
}

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const { token } = yield* ServiceConfig
  const decode = Query.decoder(PlainQuery)

  yield* router.add("GET", "/", (request) =>
    Effect.sync(() => {
      const query = decode(request.url)
      if (Result.isFailure(query)) return Reply.problem(request, query.failure)
      // Whoever terminates TLS in front of the server says so; the host is one of the server's own.
      const scheme = request.headers["x-forwarded-proto"] === "https" ? "https" : "http"
      return HttpServerResponse.text(text(`${scheme}://${request.headers["host"] ?? "localhost"}`, token !== undefined))
    }))
}))

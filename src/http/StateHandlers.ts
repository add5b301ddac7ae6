/** `GET /api/state/{path}`: what a stream has come to. Its metadata keeps the spelling it was sent with. */
import { Effect, Option } from "effect"
import { HttpRouter } from "effect/http"
import { StateQuery } from "../api/InspectApi.ts"
import type { JsonText } from "../domain/EventText.ts"
import { InvalidRequest, NotFound } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import type { Head } from "../log/CoreState.ts"
import { Directory } from "../log/Directory.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

const prefix = "/api/state"

const isoTime = (millis: number): string => new Date(millis).toISOString()

/** A stream's state in its wire form; `breaker` is that of streams that configure none. */
export const encode = (path: StreamPath, head: Head, breaker: Limit | "off"): JsonText => {
  const { core } = head
  const limit = core.breaker === "default" ? breaker : core.breaker
  const circuitBreaker = limit === "off" ? { enabled: false } : { enabled: true, ...limit }
  const paused = core.paused === null ? null : { ...core.paused, pausedAt: isoTime(core.paused.pausedAt) }
  // A deleted stream was last changed by its deletion.
  const deleted = head.exists ? "" : `,"deletedAt":"${isoTime(head.updatedAt)}"`
  return `{"path":"${path}","head":${head.offset},"createdAt":"${isoTime(head.createdAt)}",` +
    `"updatedAt":"${isoTime(head.updatedAt)}"${deleted},"metadata":${core.metadata},` +
    `"paused":${JSON.stringify(paused)},"circuitBreaker":${JSON.stringify(circuitBreaker)}}`
}

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const directory = yield* Directory
  const { circuitBreaker } = yield* ServiceConfig
  const decode = Query.decoder(StateQuery)

  const state = Effect.fnUntraced(function*(url: string) {
    const { path, within } = yield* Effect.fromResult(StreamUrl.parse(url, prefix))
    yield* Effect.fromResult(decode(url))
    if (within) return yield* new InvalidRequest({ reason: "A state is of one stream: leave out /**" })
    const head = yield* directory.describe(path)
    return Option.isSome(head)
      ? encode(path, head.value, circuitBreaker)
      : yield* new NotFound({ reason: `${path} was never written to` })
  })

  yield* router.add("GET", "/api/state/*", (request) => Reply.answer(request, state(request.url)))
}))

/**
 * `GET /api/state/{path}`: what a stream has come to, and what processors have made of it, now or as of an offset. Its
 * metadata keeps the spelling it was sent with.
 */
import { Effect, Option } from "effect"
import { HttpRouter } from "effect/http"
import { StateQuery } from "../api/InspectApi.ts"
import type { JsonText } from "../domain/EventText.ts"
import { InvalidRequest, NotFound } from "../domain/StreamError.ts"
import type { Behind, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { Directory } from "../log/Directory.ts"
import * as StateText from "../log/StateText.ts"
import { Instances } from "../processor/Instances.ts"
import * as InstanceText from "../processor/InstanceText.ts"
import { Supervisor } from "../processor/Supervisor.ts"
import { TimeTravel } from "../processor/TimeTravel.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

const prefix = "/api/state"

type Asked = Omit<typeof StateQuery.Type, "pretty">

/** What of a query does not go together, as a sentence. */
const problem = ({ at, atLeast, from, processor, to }: Asked): string | undefined => {
  const times = [at, atLeast, from ?? to].filter((time) => time !== undefined)
  if (times.length > 1) return "`at`, `atLeast` and `from` with `to` exclude each other"
  if ((from === undefined) !== (to === undefined)) return "`from` and `to` go together"
  return processor === undefined && (atLeast ?? from) !== undefined
    ? "`atLeast` and `from` with `to` are about one processor: name it in `processor`"
    : undefined
}

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const directory = yield* Directory
  const instances = yield* Instances
  const supervisor = yield* Supervisor
  const timeTravel = yield* TimeTravel
  const { circuitBreaker } = yield* ServiceConfig
  const decode = Query.decoder(StateQuery)

  const ofProcessor = Effect.fnUntraced(function*(
    path: StreamPath,
    name: string,
    { at, atLeast, from, to }: Asked
  ): Effect.fn.Return<JsonText, NotFound | InvalidRequest | Behind | Unavailable> {
    if (at === undefined && from === undefined) {
      return InstanceText.instance(yield* instances.one(name, path, atLeast))
    }
    const processor = yield* instances.definition(name)
    if (at !== undefined) return InstanceText.past(processor.version, yield* timeTravel.at(processor, path, at))
    return JSON.stringify(yield* timeTravel.between(processor, path, from ?? 0, to ?? 0))
  })

  /** Of all processors on a stream whose definitions are here. */
  const past = Effect.fnUntraced(function*(path: StreamPath, at: number) {
    const texts = new Map<string, JsonText>()
    for (const name of (yield* instances.on(path)).keys()) {
      const processor = supervisor.definition(name)
      if (processor === undefined) continue
      texts.set(name, InstanceText.past(processor.version, yield* timeTravel.at(processor, path, at)))
    }
    return `{"path":"${path}","processors":${InstanceText.record(texts, (text) => text)}}`
  })

  const state = Effect.fnUntraced(function*(url: string) {
    const { path, within } = yield* Effect.fromResult(StreamUrl.parse(url, prefix))
    const asked = yield* Effect.fromResult(decode(url))
    if (within) return yield* new InvalidRequest({ reason: "A state is of one stream: leave out /**" })
    const wrong = problem(asked)
    if (wrong !== undefined) return yield* new InvalidRequest({ reason: wrong })
    const head = yield* directory.describe(path)
    if (Option.isNone(head)) return yield* new NotFound({ reason: `${path} was never written to` })
    if (asked.processor !== undefined) return yield* ofProcessor(path, asked.processor, asked)
    if (asked.at !== undefined) return yield* past(path, asked.at)
    const processors = InstanceText.record(yield* instances.on(path), InstanceText.instance)
    return `${StateText.encode(path, head.value, circuitBreaker).slice(0, -1)},"processors":${processors}}`
  })

  yield* router.add("GET", "/api/state/*", (request) => Reply.answer(request, state(request.url)))
}))

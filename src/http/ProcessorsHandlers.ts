/** `/api/processors`: which there are, how their instances fare, and what a person does to one that is parked. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { ChangeQuery, InstancesQuery, ProcessorsQuery, ResumeQuery } from "../api/ProcessorsApi.ts"
import { maxInstances } from "../domain/Bounds.ts"
import type { ProcessorSummary } from "../domain/ProcessorState.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { Change, Registered } from "../log/Checkpoints.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Instances } from "../processor/Instances.ts"
import * as InstanceText from "../processor/InstanceText.ts"
import { Supervisor } from "../processor/Supervisor.ts"
import * as ProcessorUrl from "./ProcessorUrl.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

const { prefix } = ProcessorUrl

const changes = { resume: { _tag: "Resume" }, skip: { _tag: "Skip" }, refold: { _tag: "Refold" } } as const

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const checkpoints = yield* Checkpoints
  const instances = yield* Instances
  const supervisor = yield* Supervisor
  const decodeProcessors = Query.decoder(ProcessorsQuery)
  const decodeInstances = Query.decoder(InstancesQuery)
  const decodeResume = Query.decoder(ResumeQuery)
  const decodeChange = Query.decoder(ChangeQuery)

  const summarise = ({ owner, processor: name, ...rest }: Registered): ProcessorSummary => ({
    name,
    ...rest,
    owner: owner ?? null,
    here: supervisor.definition(name) !== undefined
  })

  const list = Effect.fnUntraced(function*(url: string) {
    yield* Effect.fromResult(decodeProcessors(url))
    return JSON.stringify((yield* checkpoints.registered).map(summarise))
  })

  const listInstances = Effect.fnUntraced(function*(url: string) {
    const { after = "", limit = maxInstances } = yield* Effect.fromResult(decodeInstances(url))
    const found = yield* instances.of(yield* Effect.fromResult(ProcessorUrl.nameIn(url)), after)
    return JSON.stringify(found.slice(0, limit).map(InstanceText.summary))
  })

  const change = Effect.fnUntraced(function*(url: string, verb: keyof typeof changes) {
    const { kind, key, streamPath }: typeof ResumeQuery.Type = yield* Effect.fromResult(
      verb === "resume" ? decodeResume(url) : decodeChange(url)
    )
    if ((kind === undefined) !== (key === undefined)) {
      return yield* new InvalidRequest({ reason: "`kind` and `key` go together: both name one fiber" })
    }
    const change: Change = kind === undefined || key === undefined ? changes[verb] : { _tag: "ResumeFiber", kind, key }
    const name = yield* Effect.fromResult(ProcessorUrl.nameIn(url))
    yield* checkpoints.change(name, streamPath, change)
    return InstanceText.instance(yield* instances.one(name, streamPath))
  })

  yield* router.add("GET", prefix, (request) => Reply.answer(request, list(request.url)))
  yield* router.add("GET", `${prefix}/:name/instances`, (request) => Reply.answer(request, listInstances(request.url)))
  for (const verb of ["resume", "skip", "refold"] as const) {
    yield* router.add("POST", `${prefix}/:name/${verb}`, (request) => Reply.answer(request, change(request.url, verb)))
  }
}))

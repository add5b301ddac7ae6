/** `GET /api/types` and `GET /api/types/{type}`: the events that mean something to the server and its processors. */
import { Effect, Option, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { PlainQuery, TypeDescription } from "../api/SystemApi.ts"
import type { TypeSummary } from "../api/SystemApi.ts"
import * as ControlEvent from "../domain/ControlEvent.ts"
import type * as EventType from "../domain/EventType.ts"
import { nearest } from "../domain/Nearest.ts"
import { NotFound } from "../domain/StreamError.ts"
import type { Any } from "../processor/Processor.ts"
import { Supervisor } from "../processor/Supervisor.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

const prefix = "/api/types"
/** Longest part of an unknown type that is shown, in characters. */
const longestShown = 64

/** A type of events as it is told: what the server makes of it, and which processors do. */
interface Known {
  readonly summary: TypeSummary
  readonly payload: EventType.Any["payload"]
  readonly example: Schema.Json | undefined
}

/** What a processor's own schema says of a payload. */
const ofPayload = (payload: EventType.Any["payload"]) => {
  const { description = "An event of processors", examples = [] } = Schema.resolveAnnotations(payload) ?? {}
  const example = Schema.encodeUnknownOption(Schema.toCodecJson(payload))(examples[0])
  return { description, example: examples.length === 0 ? undefined : Option.getOrUndefined(example) }
}

/** All types that mean something, by name: control events first, then those of processors. */
const knownTo = (processors: ReadonlyArray<Any>): ReadonlyMap<string, Known> => {
  const known = new Map<string, Known>()
  for (const [type, { appendedBy, description, eventType, example }] of ControlEvent.all) {
    known.set(type, { summary: { type, description, appendedBy }, payload: eventType.payload, example })
  }
  const note = ({ payload, type }: EventType.Any, by: "consumedBy" | "emittedBy", name: string) => {
    if (type === "*") return
    const { description, example } = ofPayload(payload)
    const before = known.get(type) ?? { summary: { type, description, appendedBy: "client" }, payload, example }
    const names = [...before.summary[by] ?? [], name]
    known.set(type, { ...before, summary: { ...before.summary, [by]: names } })
  }
  for (const { consumes, emits, name } of processors.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    for (const eventType of consumes) note(eventType, "consumedBy", name)
    for (const eventType of emits) note(eventType, "emittedBy", name)
  }
  return known
}

const decodeSchema = Schema.decodeSync(Schema.fromJsonString(TypeDescription.fields.schema))

/** The JSON Schema of a payload, complete in itself. */
const schemaOf = (payload: Schema.Constraint): TypeDescription["schema"] => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(payload)
  const text = JSON.stringify({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...schema,
    ...(Object.keys(definitions).length === 0 ? undefined : { $defs: definitions })
  })
  return decodeSchema(text)
}

const describe = ({ example, payload, summary }: Known): TypeDescription => ({
  ...summary,
  schema: schemaOf(payload),
  ...(example === undefined ? undefined : { example: { type: summary.type, payload: example } })
})

/** The type that a URL names, its slash plain or escaped; empty where it names none. */
const typeIn = (url: string): string => {
  const query = url.indexOf("?")
  return decodeURIComponent(url.slice(prefix.length + 1, query < 0 ? url.length : query))
}

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const supervisor = yield* Supervisor
  const decode = Query.decoder(PlainQuery)

  const types = Effect.fnUntraced(function*(url: string) {
    yield* Effect.fromResult(decode(url))
    const type = typeIn(url)
    const known = knownTo(supervisor.definitions())
    if (type === "") return JSON.stringify([...known.values()].map(({ summary }) => summary))
    const found = known.get(type)
    if (found !== undefined) return JSON.stringify(describe(found))
    return yield* new NotFound({
      reason: `${JSON.stringify(type.slice(0, longestShown))} means nothing to the server, so it is anyone's. ` +
        `The nearest that does is ${nearest(type, [...known.keys()])}; ${prefix} lists all`
    })
  })

  yield* router.add("GET", "/api/types/*", (request) => Reply.answer(request, types(request.url)))
}))

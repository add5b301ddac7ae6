/** `GET /api/types` and `GET /api/types/{type}`: the events that mean something to the server. */
import { Effect, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { PlainQuery, TypeDescription } from "../api/SystemApi.ts"
import type { TypeSummary } from "../api/SystemApi.ts"
import * as ControlEvent from "../domain/ControlEvent.ts"
import { nearest } from "../domain/Nearest.ts"
import { NotFound } from "../domain/StreamError.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"

const prefix = "/api/types"
/** Longest part of an unknown type that is shown, in characters. */
const longestShown = 64

const summarise = ({ appendedBy, description, eventType }: ControlEvent.Control): TypeSummary => ({
  type: eventType.type,
  description,
  appendedBy
})

const decodeSchema = Schema.decodeSync(Schema.fromJsonString(TypeDescription.fields.schema))

/** The JSON Schema of a type's payload, complete in itself. */
const schemaOf = ({ eventType }: ControlEvent.Control): TypeDescription["schema"] => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(eventType.payload)
  const text = JSON.stringify({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...schema,
    ...(Object.keys(definitions).length === 0 ? undefined : { $defs: definitions })
  })
  return decodeSchema(text)
}

const describe = (control: ControlEvent.Control): TypeDescription => ({
  ...summarise(control),
  schema: schemaOf(control),
  example: { type: control.eventType.type, payload: control.example }
})

const summaries = JSON.stringify([...ControlEvent.all.values()].map(summarise))

/** The type that a URL names, its slash plain or escaped; empty where it names none. */
const typeIn = (url: string): string => {
  const query = url.indexOf("?")
  return decodeURIComponent(url.slice(prefix.length + 1, query < 0 ? url.length : query))
}

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const decode = Query.decoder(PlainQuery)

  const types = Effect.fnUntraced(function*(url: string) {
    yield* Effect.fromResult(decode(url))
    const type = typeIn(url)
    if (type === "") return summaries
    const control = ControlEvent.all.get(type)
    if (control !== undefined) return JSON.stringify(describe(control))
    const known = [...ControlEvent.all.keys()]
    return yield* new NotFound({
      reason: `${JSON.stringify(type.slice(0, longestShown))} means nothing to the server, so it is anyone's. ` +
        `The nearest that does is ${nearest(type, known)}; ${prefix} lists all`
    })
  })

  yield* router.add("GET", "/api/types/*", (request) => Reply.answer(request, types(request.url)))
}))

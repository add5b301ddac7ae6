/**
 * What the OpenAPI document says beside the schemas: the values of parameters instead of their text, what they mean,
 * and where the token goes.
 */
import { Predicate, Schema } from "effect"
import { OpenApi } from "effect/http-api"

/** Parameters by name. */
type Query = Schema.Constraint & { readonly fields: Schema.Struct.Fields }

/** Annotations of an endpoint; `query` documents its parameters as the values that they stand for. */
export const endpoint = (options: {
  readonly summary: string
  readonly description?: string
  readonly query: Query
  /** Whether it is answered without a token. */
  readonly open?: boolean
}) =>
  OpenApi.annotations({
    summary: options.summary,
    ...(options.description === undefined ? undefined : { description: options.description }),
    transform: (operation) => ({
      ...operation,
      parameters: describeAll(operation["parameters"], options.query),
      // A server on loopback needs no token.
      security: options.open === true ? [] : [{ bearer: [] }, {}]
    })
  })

/** Adds the token to a whole document. */
export const withToken = OpenApi.annotations({
  transform: (document) => ({
    ...document,
    components: {
      ...document["components"],
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "The server's `MILLSTREAM_TOKEN`, where it has one" }
      }
    }
  })
})

const describeAll = (
  parameters: ReadonlyArray<OpenApi.OpenAPISpecParameter>,
  query: Query
): ReadonlyArray<OpenApi.OpenAPISpecParameter> => {
  const { schema } = Schema.toJsonSchemaDocument(Schema.toType(query))
  const values = Predicate.isReadonlyObject(schema["properties"]) ? schema["properties"] : {}
  return parameters.map((parameter) => {
    const field = query.fields[parameter.name]
    const value = values[parameter.name]
    if (parameter.in !== "query" || field === undefined) return hoist(parameter)
    const description = Schema.resolveAnnotationsKey(field)?.description
    return {
      ...parameter,
      ...(description === undefined ? undefined : { description }),
      // What refers to another schema stays as the document has it: its references are resolved there.
      schema: !Predicate.isReadonlyObject(value) || JSON.stringify(value).includes("$ref")
        ? hoist(parameter).schema
        : withoutNotes(value),
      ...(isList(value) ? { style: "form", explode: false } : undefined)
    }
  })
}

const isList = (value: unknown): boolean => Predicate.isReadonlyObject(value) && value["type"] === "array"

/** What the schema says of a parameter belongs to the parameter. */
const hoist = (parameter: OpenApi.OpenAPISpecParameter): OpenApi.OpenAPISpecParameter => {
  const description = notesOf(parameter.schema).find(isNote)?.description
  const schema = withoutNotes(parameter.schema)
  return description === undefined ? { ...parameter, schema } : { ...parameter, schema, description }
}

const notesOf = (schema: object): ReadonlyArray<unknown> =>
  "allOf" in schema && Array.isArray(schema.allOf) ? schema.allOf : []

const isNote = (part: unknown): part is { readonly description: string } =>
  Predicate.isReadonlyObject(part) && typeof part["description"] === "string" && Object.keys(part).length === 1

const withoutNotes = (schema: object): object => {
  const rest = Object.fromEntries(Object.entries(schema).filter(([name]) => name !== "allOf"))
  const kept = notesOf(schema).filter((part) => !isNote(part))
  const [only] = kept
  if (kept.length === 0) return rest
  return kept.length === 1 && Predicate.isReadonlyObject(only) && Object.keys(rest).length === 0
    ? only
    : { ...rest, allOf: kept }
}

import { assert, describe, it } from "@effect/vitest"
import { DateTime, Predicate, Schema } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import * as ApiProblem from "../../src/api/Problem.ts"
import { Offset } from "../../src/domain/Event.ts"
import * as StreamError from "../../src/domain/StreamError.ts"
import * as StreamPath from "../../src/domain/StreamPath.ts"
import * as Problem from "../../src/http/Problem.ts"

const document = OpenApi.fromApi(Api)
const methods = ["get", "post", "delete"] as const
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method]
    return operation === undefined ? [] : [{ path, method, operation }]
  })
)

/** All values in a JSON value, itself included. */
const within = (value: unknown): ReadonlyArray<unknown> => [
  value,
  ...(Array.isArray(value) || Predicate.isObject(value) ? Object.values(value).flatMap(within) : [])
]

describe("the OpenAPI document", () => {
  it("has every route", () => {
    assert.deepEqual(
      operations.map(({ method, path }) => `${method} ${path}`).toSorted(),
      [
        "delete /api/streams/{path}",
        "get /",
        "get /api/causes/{path}",
        "get /api/children/{path}",
        "get /api/page/{path}",
        "get /api/processors",
        "get /api/processors/{name}/instances",
        "get /api/processors/{name}/snapshot",
        "get /api/processors/{name}/undone",
        "get /api/processors/{name}/unprepared",
        "get /api/state/{path}",
        "get /api/streams/{path}",
        "get /api/streams/{path}/**",
        "get /api/types",
        "get /api/types/{type}",
        "get /docs",
        "get /health",
        "get /metrics",
        "get /openapi.json",
        "post /api/processors/{name}/advance",
        "post /api/processors/{name}/claim",
        "post /api/processors/{name}/commit",
        "post /api/processors/{name}/keep",
        "post /api/processors/{name}/open",
        "post /api/processors/{name}/prepare",
        "post /api/processors/{name}/refold",
        "post /api/processors/{name}/register",
        "post /api/processors/{name}/release",
        "post /api/processors/{name}/resume",
        "post /api/processors/{name}/skip",
        "post /api/streams/{path}",
        "post /in/{token}/{path}"
      ]
    )
  })

  it("is JSON whose references resolve", () => {
    const copy: unknown = JSON.parse(JSON.stringify(document))
    const references = within(copy).flatMap((value) =>
      Predicate.isObject(value) && typeof value["$ref"] === "string" ? [value["$ref"]] : []
    )
    assert.isAbove(references.length, 20)
    for (const reference of references) {
      const name = reference.replace("#/components/schemas/", "")
      assert.property(document.components.schemas, name, reference)
    }
    const names = Object.keys(document.components.schemas)
    assert.deepEqual(names.filter((name) => /_\d+$/.test(name)), [], "each identifier names one schema")
  })

  it("says what each operation and parameter is for", () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const { operation, path } of operations) {
      assert.isString(operation.summary, path)
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      assert.deepEqual(operation.parameters.filter((each) => each.in === "path").map(({ name }) => name), named, path)
      for (const parameter of operation.parameters.filter((each) => each.in === "query")) {
        assert.isString(parameter.description, `${path} ${parameter.name}`)
        assert.isNotEmpty(Object.keys(parameter.schema), `${path} ${parameter.name}`)
      }
      assert.include(operation.parameters.map(({ name }) => name), "pretty", path)
    }
  })

  it("documents values and not their text", () => {
    const read = document.paths["/api/children/{path}"]?.get?.parameters
    const schemas = Object.fromEntries((read ?? []).map(({ name, schema }) => [name, schema]))
    assert.deepEqual(schemas["limit"], { type: "integer", minimum: 1, maximum: 1000 })
    assert.deepEqual(schemas["recursive"], { type: "boolean" })
    assert.deepEqual(schemas["after"], { $ref: "#/components/schemas/StreamPath" })
    const types = document.paths["/api/streams/{path}"]?.get?.parameters.find(({ name }) => name === "types")
    assert.deepEqual({ style: "form", explode: false, ...types }, { ...types })
  })

  it("has a problem document for every error, and every format of a read", () => {
    for (const { operation, path } of operations) {
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) assert.deepEqual(Object.keys(content), ["application/problem+json"], path)
      }
    }
    const read = document.paths["/api/streams/{path}"]?.get?.responses[200]
    assert.sameMembers(
      Object.keys(read?.content ?? {}),
      ["application/json", "application/x-ndjson", "application/yaml", "text/event-stream"]
    )
    const append = document.paths["/api/streams/{path}"]?.post?.responses ?? {}
    const statuses = Object.keys(append).map(Number)
    assert.sameMembers(statuses, [200, 201, 400, 401, 403, 409, 412, 413, 422, 423, 503])
  })

  it("says where the token goes", () => {
    assert.property(document.components.securitySchemes, "bearer")
    for (const { operation, path } of operations) {
      assert.strictEqual(operation.security.length > 0, path !== "/health" && !path.startsWith("/in/"), path)
    }
  })
})

describe("problem documents", () => {
  const reason = "It is so"
  const samples: { readonly [Tag in keyof typeof StreamError.status]: StreamError.StreamError } = {
    InvalidPath: new StreamError.InvalidPath({ path: "a", reason }),
    InvalidRequest: new StreamError.InvalidRequest({ reason }),
    Unauthorized: new StreamError.Unauthorized({ reason }),
    Forbidden: new StreamError.Forbidden({ reason }),
    NotFound: new StreamError.NotFound({ reason }),
    IdempotencyConflict: new StreamError.IdempotencyConflict({ idempotencyKey: "k", offset: Offset.make(2) }),
    Fenced: new StreamError.Fenced({ processor: "ping-pong", lost: "lease" }),
    OffsetMismatch: new StreamError.OffsetMismatch({ expected: Offset.make(2), actual: Offset.make(3) }),
    PayloadTooLarge: new StreamError.PayloadTooLarge({ limit: 1, reason }),
    InvalidEvent: new StreamError.InvalidEvent({ reason, field: "type", index: 1, example: { type: "ping" } }),
    StreamPaused: new StreamError.StreamPaused({
      streamPath: StreamPath.root,
      reason,
      pausedAt: DateTime.makeUnsafe(0)
    }),
    Unavailable: new StreamError.Unavailable({ reason, retryAfterSeconds: 1 }),
    Behind: new StreamError.Behind({
      processor: "ping-pong",
      streamPath: StreamPath.root,
      offset: Offset.make(2),
      atLeast: Offset.make(3),
      status: "folding"
    })
  }

  for (const [tag, error] of Object.entries(samples)) {
    it(`of ${tag} fit the contract, and give the error back`, () => {
      const wire: unknown = JSON.parse(JSON.stringify(Problem.toDocument(error)))
      const contract = Schema.Union([
        ApiProblem.InvalidPath,
        ApiProblem.InvalidRequest,
        ApiProblem.Unauthorized,
        ApiProblem.Forbidden,
        ApiProblem.NotFound,
        ApiProblem.IdempotencyConflict,
        ApiProblem.Fenced,
        ApiProblem.OffsetMismatch,
        ApiProblem.PayloadTooLarge,
        ApiProblem.InvalidEvent,
        ApiProblem.StreamPaused,
        ApiProblem.Unavailable,
        ApiProblem.Behind
      ])
      const decoded = Schema.decodeUnknownSync(Schema.toCodecJson(contract), { onExcessProperty: "error" })(wire)
      assert.strictEqual(decoded._tag, error._tag)
      assert.strictEqual(decoded.detail, error.message)
      assert.deepEqual(Schema.decodeUnknownSync(Schema.toCodecJson(StreamError.StreamError))(wire), error)
    })
  }
})

import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import * as ServiceConfig from "../src/ServiceConfig.ts"

const given = (env: Record<string, string>) =>
  ServiceConfig.config.pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))
  )
const refusal = (env: Record<string, string>) => Effect.map(Effect.flip(given(env)), String)

describe("ServiceConfig", () => {
  it.effect("has a default for everything", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* given({}), ServiceConfig.defaults)
      // Compose files pass empty variables on.
      const empty = Object.fromEntries(ServiceConfig.settings.map(({ name }) => [name, ""]))
      assert.deepStrictEqual(yield* given(empty), ServiceConfig.defaults)
    }))

  it.effect("takes every default that it shows", () =>
    Effect.gen(function*() {
      const shown = Object.fromEntries(ServiceConfig.settings.map(({ fallback, name }) => [name, fallback ?? ""]))
      assert.deepStrictEqual(yield* given(shown), ServiceConfig.defaults)
    }))

  it.effect("reads what is set", () =>
    Effect.gen(function*() {
      const settings = yield* given({
        HOST: "0.0.0.0",
        PORT: "0",
        DATABASE_URL: "postgres://u:secret@db/x",
        MILLSTREAM_CIRCUIT_BREAKER: "50/2.5",
        MILLSTREAM_TOKEN: "t",
        MILLSTREAM_ALLOWED_HOSTS: "A.example.com, b.example.com:8080,",
        MILLSTREAM_ALLOWED_ORIGINS: "https://a.example.com,http://localhost:3000",
        MILLSTREAM_REDACTED_HEADERS: "X-Api-Key"
      })
      assert.strictEqual(settings.port, 0)
      assert.deepStrictEqual(settings.circuitBreaker, { capacity: 50, refillPerSecond: 2.5 })
      assert.deepStrictEqual(settings.allowedHosts, ["a.example.com", "b.example.com:8080"])
      assert.deepStrictEqual(settings.allowedOrigins, ["https://a.example.com", "http://localhost:3000"])
      assert.deepStrictEqual(settings.redactedHeaders, ["x-api-key"])
      assert.notInclude(JSON.stringify(settings), "secret")
      assert.strictEqual(settings.token && Redacted.value(settings.token), "t")
      assert.strictEqual((yield* given({ MILLSTREAM_CIRCUIT_BREAKER: "off" })).circuitBreaker, "off")
    }))

  for (
    const [name, value, says] of [
      ["PORT", "65536", "PORT takes a whole number from 0 to 65535, not \"65536\""],
      ["MILLSTREAM_CIRCUIT_BREAKER", "fast", "MILLSTREAM_CIRCUIT_BREAKER takes capacity/refillPerSecond"],
      ["MILLSTREAM_CIRCUIT_BREAKER", "0/1", "both above 0"],
      ["MILLSTREAM_ALLOWED_ORIGINS", "*", "\"*\" is none"],
      ["MILLSTREAM_ALLOWED_ORIGINS", "https://a.example.com/", "takes origins such as"],
      ["MILLSTREAM_ALLOWED_HOSTS", "http://a", "takes host names"],
      ["DATABASE_URL", "mysql://u:hunter2@x", "DATABASE_URL takes a URL that begins with postgres://"],
      ["MILLSTREAM_TOKEN", "hunter2 x", "MILLSTREAM_TOKEN takes letters"],
      ["MILLSTREAM_INGEST_TOKEN", "hunter2/x", "MILLSTREAM_INGEST_TOKEN takes letters"],
      ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "takes a URL that begins with http"]
    ] as const
  ) {
    it.effect(`refuses ${name}=${value} and says what it takes`, () =>
      Effect.map(refusal({ [name]: value }), (message) => {
        assert.include(message, says)
        assert.notInclude(message, "hunter2")
      }))
  }
})

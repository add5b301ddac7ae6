import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import * as Egress from "../../src/egress/Egress.ts"
import * as ServiceConfig from "../../src/ServiceConfig.ts"

const given = (value: string) =>
  ServiceConfig.config.pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnvRecord({ MILLSTREAM_ALLOW_EGRESS: value })
    ),
    Effect.map(({ allowEgress }) => allowEgress)
  )

describe("MILLSTREAM_ALLOW_EGRESS", () => {
  it.effect("takes targets, which may then be sent to", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* given(""), [])
      const allow = yield* given("LOCALHOST:3001, 127.0.0.1:80,[::1]:8080,")
      assert.deepStrictEqual(allow, ["localhost:3001", "127.0.0.1:80", "[::1]:8080"])
      const egress = yield* Egress.make({ allow })
      for (const url of ["http://localhost:3001/", "http://127.0.0.1/", "http://[::1]:8080/"]) {
        assert.isUndefined(egress.judge(url), url)
      }
      assert.isString(egress.judge("http://localhost/"))
    }))

  for (
    const value of ["localhost", "http://localhost:3001", "localhost:0", "localhost:65536", "::1:80", "*:80", "a b:1"]
  ) {
    it.effect(`refuses ${value}`, () =>
      Effect.map(Effect.flip(given(value)), (error) => {
        assert.include(String(error), "MILLSTREAM_ALLOW_EGRESS takes targets as host:port such as localhost:3001")
      }))
  }
})

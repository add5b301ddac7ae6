/** What the server lacks is for its operator: logged once, told to clients, and to nobody else. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { Secrets } from "../../../src/builtin/Secrets.ts"
import * as Verifier from "../../../src/http/verification/Verifier.ts"

describe("a secret that the server lacks", () => {
  it.effect("is logged once, whoever asks at whichever door, and named to clients alone", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => {
      lines.push(String(message))
    })
    const ask = (secret: string, isClient: boolean) =>
      Effect.flatMap(Verifier.make, ({ verify }) =>
        Effect.flip(verify({ provider: "github", secret }, { headers: {}, body: Buffer.alloc(0) }, { isClient })))
    return Effect.gen(function*() {
      for (const isClient of [false, true, false]) {
        const { _tag, message } = yield* ask("told-once", isClient)
        assert.strictEqual(_tag, "Unavailable")
        assert.strictEqual(/MILLSTREAM_SECRET_TOLD_ONCE is not set/.test(message), isClient, message)
      }
      yield* ask("another", false)
      assert.deepStrictEqual(lines.map((line) => /MILLSTREAM_SECRET_\w+ is not set/.exec(line)?.[0]), [
        "MILLSTREAM_SECRET_TOLD_ONCE is not set",
        "MILLSTREAM_SECRET_ANOTHER is not set"
      ])
    }).pipe(Effect.provide(Layer.merge(Secrets.layerOf({}), Logger.layer([logger]))))
  })
})

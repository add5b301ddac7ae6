/** What `millstream serve` refuses to start with: one line, exit code 1, and nothing made. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Cli from "./Cli.ts"

layer(NodeServices.layer, { excludeTestServices: true })("millstream serve", (it) => {
  for (
    const [what, env, says] of [
      ["a setting that makes no sense", { PORT: "x" }, "PORT takes a whole number from 0 to 65535, not \"x\""],
      [
        "a breaker that is none",
        { MILLSTREAM_CIRCUIT_BREAKER: "fast" },
        "MILLSTREAM_CIRCUIT_BREAKER takes capacity/refillPerSecond, both above 0, such as 100/100, or off; not \"fast\""
      ],
      [
        "other machines without a token",
        { HOST: "0.0.0.0", PORT: "0" },
        "HOST=0.0.0.0 can be reached from other machines, so it needs a token: set MILLSTREAM_TOKEN to a long random " +
        "text, or HOST=127.0.0.1 to be reached from this machine only"
      ]
    ] as const
  ) {
    it.effect(`refuses ${what} at once, in one line`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        const ended = yield* Cli.run(["serve", "--data-dir", `${folder}/data`], { env })
        assert.deepStrictEqual(ended, { code: 1, stdout: "", stderr: `millstream: ${says}\n` })
        assert.isFalse(yield* fs.exists(`${folder}/data`), "Nothing was opened")
      }))
  }
})

/** The agent in Python behind a subscription of the service, each a program of its own. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Client from "../../src/client.ts"
import { EventType } from "../../src/domain/EventType.ts"
import * as Cli from "../cli/Cli.ts"
import * as TestPostgres from "../TestPostgres.ts"
import * as Program from "./AgentProgram.ts"

const Output = EventType.make("agent/output-added", Schema.Struct({ content: Schema.String }))

layer(Layer.merge(NodeServices.layer, FetchHttpClient.layer), { excludeTestServices: true })("the agent", (it) => {
  it.effect.skipIf(!Program.isInstalled)("answers what is said on a stream, each input once (needs python3)", () =>
    Effect.gen(function*() {
      let asked = 0
      const { baseUrl: model } = yield* Program.model(({ said }) =>
        // The first one is pushed again.
        ++asked === 1 ? { status: 500, body: "{}" } : Program.completion(`You said ${said}`)
      )
      const url = yield* Program.agent({ OPENAI_BASE_URL: model, OPENAI_API_KEY: "sk-1" })
      const baseUrl = yield* Program.serving(process.execPath, [Cli.main, "serve"], {
        PORT: "0",
        MILLSTREAM_DATA_DIR: yield* TestPostgres.dataFolder,
        MILLSTREAM_ALLOW_EGRESS: new URL(url).host
      })
      const streams = yield* Client.make({ baseUrl })
      const path = "/agents/ada"
      yield* streams.append(path, {
        type: "subscription/configured",
        payload: { slug: "agent", url, types: ["agent/input-added"] }
      })
      const say = (content: string) => streams.append(path, { type: "agent/input-added", payload: { content } })
      const inputs = yield* Effect.forEach(["one", "two"], say)
      const outputs = yield* Stream.runCollect(streams.tail(path, { types: [Output] }).pipe(Stream.take(2)))
      assert.deepStrictEqual(outputs.map(({ payload }) => payload.content), ["You said one", "You said two"])
      assert.deepStrictEqual(
        outputs.map(({ cause }) => [cause?.processor, cause?.offset]),
        inputs.map(({ offset }) => ["subscription", offset])
      )
      assert.strictEqual(asked, 3)
    }))
})

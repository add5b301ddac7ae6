/** The agent in Python as a program of its own, and a model for it to ask. */
import { Deferred, Effect, Path, Schema, Stream } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { spawnSync } from "node:child_process"
import { createServer } from "node:http"
import type { IncomingHttpHeaders } from "node:http"
import { start } from "../Command.ts"

export const isInstalled = spawnSync("sh", ["-c", "command -v python3"]).status === 0

const unset = { OPENAI_API_KEY: "", OPENAI_BASE_URL: "", OPENAI_MODEL: "", no_proxy: "127.0.0.1" }

/** Starts it on a free port; its URL. */
export const agent = Effect.fnUntraced(function*(env: Record<string, string> = {}) {
  const path = yield* Path.Path
  const program = path.resolve(import.meta.dirname, "../../src/examples/agent.py")
  return yield* serving("python3", ["-u", program], { ...unset, PORT: "0", ...env })
})

/** Starts a program; the first URL that it prints. */
export const serving = Effect.fnUntraced(function*(
  program: string,
  args: ReadonlyArray<string>,
  env: Record<string, string>
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(start("/", program, args, env))
  const url = yield* Deferred.make<string, Error>()
  let output = ""
  yield* handle.all.pipe(
    Stream.decodeText(),
    Stream.runForEach((text) =>
      Effect.suspend(() => {
        output += text
        const [found] = /http:\/\/[\w.]+:\d+(?=\D)/.exec(output) ?? []
        return found === undefined ? Effect.void : Deferred.succeed(url, found)
      })),
    Effect.ensuring(Effect.suspend(() => Deferred.fail(url, new Error(`${program} has ended: ${output}`)))),
    Effect.forkScoped
  )
  return yield* Deferred.await(url)
})

/** What the model was asked. */
export interface Asked {
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** By the user. */
  readonly said: string
}

/** How the model answers; never, where it says nothing. */
export type Answer = { readonly status: number; readonly body: string } | undefined

const decodeBody = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({
  messages: Schema.Array(Schema.Struct({ role: Schema.Literal("user"), content: Schema.String }))
})))

/** Completions of chats, as `answer` makes them. */
export const completion = (content: string): Answer => ({
  status: 200,
  body: JSON.stringify({ choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }] })
})

/** A server that speaks OpenAI's protocol; its base URL, and what it was asked. */
export const model = Effect.fnUntraced(function*(answer: (asked: Asked) => Promise<Answer> | Answer) {
  const asked: Array<Asked> = []
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (part: string) => body += part)
    request.on("end", () => {
      const { messages } = decodeBody(body)
      const each = { path: request.url, headers: request.headers, body, said: messages.at(-1)?.content ?? "" }
      asked.push(each)
      void Promise.resolve(answer(each)).then((said) => {
        if (said === undefined) request.socket.destroy()
        else response.writeHead(said.status, { "content-type": "application/json" }).end(said.body)
      })
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  return { baseUrl: `http://127.0.0.1:${port}/v1`, asked }
})

/** The agent in Python, as a program that events are pushed to, with a model of the test's own behind it. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Program from "./AgentProgram.ts"
import type { Answer } from "./AgentProgram.ts"

const push = (url: string, body: string, options: RequestInit = {}) =>
  Effect.promise(async () => {
    const headers = { "content-type": "application/json; charset=utf-8" }
    const reply = await fetch(url, { method: "POST", headers, body, ...options })
    const text = await reply.text()
    const said: unknown = text.startsWith("{") ? JSON.parse(text) : text
    return { status: reply.status, body: said }
  })

const event = (type: string, payload: unknown) =>
  JSON.stringify({ offset: 7, type, payload, streamPath: "/agents/ada", createdAt: "2026-01-01T00:00:00.000Z" })

const input = (content: string) => event("agent/input-added", { content })

const output = (content: string) => ({
  status: 200,
  body: { append: [{ type: "agent/output-added", payload: { content } }] }
})

layer(NodeServices.layer, { excludeTestServices: true })("the agent in Python", (it) => {
  const test = it.effect.skipIf(!Program.isInstalled)

  test("answers by a rule without a key, and says that it is one (needs python3)", () =>
    Effect.gen(function*() {
      const url = yield* Program.agent()
      const rule = "No model is set up, so this is a rule: you said 'hällo \u{1F642}'."
      assert.deepStrictEqual(yield* push(url, input("hällo \u{1F642}")), output(rule))
    }))

  test("asks the model of the URL with the key, and passes on what it says (needs python3)", () =>
    Effect.gen(function*() {
      const { asked, baseUrl } = yield* Program.model(() => Program.completion("\"Grüße\"\n"))
      const url = yield* Program.agent({ OPENAI_BASE_URL: `${baseUrl}/`, OPENAI_API_KEY: "sk-1", OPENAI_MODEL: "tiny" })
      assert.deepStrictEqual(yield* push(url, input("hello")), output("\"Grüße\"\n"))
      assert.deepStrictEqual(
        asked.map(({ body, headers, path }) => [path, headers.authorization, JSON.parse(body)]),
        [["/v1/chat/completions", "Bearer sk-1", { model: "tiny", messages: [{ role: "user", content: "hello" }] }]]
      )
    }))

  test("has nothing to say to other events, or to inputs of another form (needs python3)", () =>
    Effect.gen(function*() {
      const url = yield* Program.agent()
      const others = [
        event("agent/output-added", { content: "hello" }),
        event("agent/input-added", { content: 7 }),
        event("agent/input-added", "hello"),
        event("agent/input-added", null),
        "{\"type\":7}",
        "{}"
      ]
      for (const other of others) assert.deepStrictEqual(yield* push(url, other), { status: 200, body: {} }, other)
    }))

  test("answers 502 where the model fails, so that it is pushed again, and goes on (needs python3)", () =>
    Effect.gen(function*() {
      const answers: Array<Answer> = [
        { status: 500, body: "{}" },
        { status: 200, body: "no JSON" },
        { status: 200, body: "[]" },
        { status: 200, body: "{\"choices\":[]}" },
        { status: 200, body: "{\"choices\":[{\"message\":{\"content\":null}}]}" },
        undefined,
        Program.completion("at last")
      ]
      const { baseUrl } = yield* Program.model(() => answers.shift())
      const url = yield* Program.agent({ OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: "sk-1" })
      while (answers.length > 1) assert.strictEqual((yield* push(url, input("hello"))).status, 502)
      assert.deepStrictEqual(yield* push(url, input("hello")), output("at last"))
      const unknown = yield* Program.agent({ OPENAI_BASE_URL: "nowhere", OPENAI_API_KEY: "sk-1" })
      assert.strictEqual((yield* push(unknown, input("hello"))).status, 502)
    }))

  test("survives what is no event (needs python3)", () =>
    Effect.gen(function*() {
      const url = yield* Program.agent()
      for (const body of ["", "{", "[]", "7", "\u0000", "[".repeat(100_000)]) {
        assert.strictEqual((yield* push(url, body)).status, 400, body.slice(0, 10))
      }
      // One that is too long is not read, so that the answer may not arrive.
      const long = yield* push(url, "x".repeat(3_000_000)).pipe(Effect.catchDefect(() => Effect.undefined))
      assert.include([400, undefined], long?.status)
      assert.strictEqual((yield* push(url, "", { method: "GET", body: null })).status, 501)
      assert.deepStrictEqual(yield* push(url, "{}"), { status: 200, body: {} })
    }))

  test("takes no other type than JSON, which pages of other sites can not send (needs python3)", () =>
    Effect.gen(function*() {
      const url = yield* Program.agent()
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
        const { status } = yield* push(url, input("hello"), { headers: { "content-type": type } })
        assert.strictEqual(status, 415, type)
      }
    }))

  test("handles several pushes at once (needs python3)", () =>
    Effect.gen(function*() {
      const waiting: Array<() => void> = []
      const { baseUrl } = yield* Program.model(async ({ said }) => {
        // None is answered before all have asked.
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
          if (waiting.length === 4) for (const each of waiting) each()
        })
        return Program.completion(said)
      })
      const url = yield* Program.agent({ OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: "sk-1" })
      const names = ["a", "b", "c", "d"]
      const replies = yield* Effect.forEach(names, (name) => push(url, input(name)), { concurrency: 4 })
      assert.deepStrictEqual(replies, names.map(output))
    }))
})

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as FakeServer from "../client/FakeServer.ts"
import * as Cli from "./Cli.ts"

const doc = (offset: number, rest = "type: ping\npayload:\n  n: 1") => `---\noffset: ${offset}\n${rest}\n`

const text = (contentType: string, body: string, then: "end" | "break" = "end"): FakeServer.Answer => (response) => {
  response.writeHead(200, { "content-type": contentType })
  if (then === "end") response.end(body)
  else response.write(body, () => response.destroy())
}
const yaml = (body: string, then?: "end" | "break") => text("application/yaml; charset=utf-8", body, then)
const recorded: FakeServer.Answer = (response) =>
  response.writeHead(201, { "content-type": "application/json" }).end("{\n  \"offset\": 2\n}\n")

const seen = ({ code, stderr, stdout }: Cli.Ended) => ({ code, stdout, stderr })

layer(NodeServices.layer, { excludeTestServices: true })("the command line", (it) => {
  const against = Effect.fnUntraced(function*(
    script: ReadonlyArray<FakeServer.Answer>,
    args: ReadonlyArray<string>,
    options: { stdin?: string; env?: Record<string, string> } = {}
  ) {
    const server = yield* FakeServer.make(script)
    const ended = yield* Cli.run(args, { ...options, env: { MILLSTREAM_URL: server.baseUrl, ...options.env } })
    return { ...ended, requests: server.requests }
  })

  it.effect("append sends what was typed, unchanged", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string | undefined, string, string]> = [
        [["ping"], undefined, "application/json", "{\"type\":\"ping\"}"],
        [["ping", "--json", "[1.0]"], undefined, "application/json", "{\"type\":\"ping\",\"payload\":[1.0]}"],
        [["--json", "[{\"type\":\"a\"}]"], undefined, "application/json", "[{\"type\":\"a\"}]"],
        [["a", "--yaml", "n: 1\nm: [2]"], undefined, "application/yaml", "type: \"a\"\npayload:\n  n: 1\n  m: [2]\n"],
        [["--yaml", "type: ping"], undefined, "application/yaml", "type: ping"],
        [["-"], "{\"type\":\"a\"}\n{\"type\":\"b\"}\n", "application/x-ndjson", "{\"type\":\"a\"}\n{\"type\":\"b\"}\n"],
        [["-"], "---\ntype: a\n---\ntype: b\n", "application/yaml", "---\ntype: a\n---\ntype: b\n"],
        [["ping", "-"], "9007199254740993", "application/json", "{\"type\":\"ping\",\"payload\":9007199254740993}"]
      ]
      for (const [args, stdin, contentType, body] of cases) {
        const ended = yield* against([recorded], ["append", "/games", ...args], stdin === undefined ? {} : { stdin })
        assert.deepStrictEqual(seen(ended), { code: 0, stdout: "{\n  \"offset\": 2\n}\n", stderr: "" })
        assert.strictEqual(ended.requests[0]?.body, body)
        assert.strictEqual(ended.requests[0]?.headers["content-type"], contentType)
        assert.strictEqual(ended.requests[0]?.path, "/api/streams/games")
      }
    }))

  it.effect("append refuses what would be recorded as something else", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["append", "/games"], /nothing to append/],
        [["append", "/games", "--json", "{\"data\":1}"], /no `type`.*millstream append PATH TYPE/],
        [["append", "/games", "--json", "{\"type\":\"a\",\"data\":1}"], /`data` is not a field/],
        [["append", "/games", "--json", "{"], /not JSON/],
        [["append", "/games", "ping", "--yaml", "a: [1"], /not YAML/],
        [["append", "/games", "ping", "--json", "1", "--yaml", "1"], /only one of/],
        [["append", "/games", "ping", "pong"], /one argument too many/],
        [["append", "games", "ping"], /a path starts with \//],
        [["append", "/games", "--ndjson", "no-such-file"], /cannot be read/],
        [["tail"], /path/],
        [["tial", "/games"], /tail/]
      ]
      for (const [args, message] of cases) {
        const ended = yield* against([], args)
        assert.match(ended.stderr, message)
        assert.match(ended.stderr, /^millstream: [^\n]*\n$/)
        assert.strictEqual(ended.code, args.includes("--ndjson") ? 1 : 2)
        assert.strictEqual(ended.stdout, "")
        assert.strictEqual(ended.requests.length, 0)
      }
    }))

  it.effect("errors of the server are one line that says what to do", () =>
    Effect.gen(function*() {
      const unauthorized = FakeServer.problem(401, "Unauthorized", { reason: "The token is missing" })
      const token = yield* against([unauthorized], ["state", "/games"])
      assert.deepStrictEqual(seen(token), {
        code: 1,
        stdout: "",
        stderr: "millstream: The token is missing. Give the token with --token or MILLSTREAM_TOKEN\n"
      })
      const sent = yield* against([recorded], ["state", "/games", "--token", "s3cret"])
      assert.strictEqual(sent.requests[0]?.headers.authorization, "Bearer s3cret")
      const paused = FakeServer.problem(423, "StreamPaused", {
        streamPath: "/games",
        reason: "tea",
        pausedAt: "2026-01-02T03:04:05.678Z"
      })
      const refused = yield* against([paused], ["append", "/games", "ping"])
      assert.match(refused.stderr, /^millstream: \/games is paused \(tea\)\..* millstream append \/games stream\/resumed\n$/)
      const nobody = yield* Cli.run(["tail", "/games", "--url", "http://127.0.0.1:1"])
      assert.match(nobody.stderr, /^millstream: No answer from .*Is the server running\?.*millstream serve.*\n$/)
      assert.strictEqual(nobody.code, 1)
    }))

  it.effect("read prints the server's text, plain or in colour", () =>
    Effect.gen(function*() {
      const args = ["read", "/games", "--after", "1", "--types", "ping", "--limit", "5"]
      const plain = yield* against([yaml(doc(2))], args)
      assert.deepStrictEqual(seen(plain), { code: 0, stdout: doc(2), stderr: "" })
      assert.deepStrictEqual(plain.requests[0]?.query, {
        afterOffset: "1",
        types: "ping",
        limit: "5",
        live: "false",
        format: "yaml"
      })
      const coloured = yield* against([yaml(doc(2))], args, { env: { FORCE_COLOR: "1" } })
      assert.include(coloured.stdout, "\u001b[36mtype\u001b[0m: \u001b[1mping\u001b[0m\n")
      const without = yield* against([yaml(doc(2))], args, { env: { FORCE_COLOR: "1", NO_COLOR: "1" } })
      assert.strictEqual(without.stdout, doc(2))
      const json = yield* against([text("application/json", "[]\n")], ["read", "/games", "--format", "json"])
      assert.strictEqual(json.stdout, "[]\n")
      const cut = yield* against([yaml(doc(2), "break")], ["read", "/games"])
      assert.strictEqual(cut.code, 1)
    }))

  it.effect("causes prints what the server found, and says where there is more", () =>
    Effect.gen(function*() {
      const chain = yield* against([yaml(doc(2) + doc(3))], ["causes", "/games", "3"])
      assert.deepStrictEqual(seen(chain), { code: 0, stdout: doc(2) + doc(3), stderr: "" })
      assert.strictEqual(chain.requests[0]?.path, "/api/causes/games")
      assert.deepStrictEqual(chain.requests[0]?.query, { offset: "3", format: "yaml" })
      const more: FakeServer.Answer = (response) =>
        response.writeHead(200, { "content-type": "application/json", "millstream-more": "true" }).end("[]\n")
      const effects = yield* against([more], ["causes", "/games", "3", "--effects", "--format", "json"])
      assert.deepStrictEqual([effects.code, effects.stdout], [0, "[]\n"])
      assert.match(effects.stderr, /^There are more: [^\n]*\n$/)
      assert.deepStrictEqual(effects.requests[0]?.query, { offset: "3", effects: "", format: "json", pretty: "" })
      const reason = "/games has no event at offset 9"
      const none = FakeServer.problem(404, "NotFound", { reason })
      const missing = yield* against([none], ["causes", "/games", "9"])
      assert.deepStrictEqual(seen(missing), { code: 1, stdout: "", stderr: `millstream: ${reason}\n` })
      for (const args of [["causes", "/games"], ["causes", "/games", "two"]]) {
        const wrong = yield* against([], args)
        assert.deepStrictEqual([wrong.code, wrong.stdout, wrong.requests.length], [2, "", 0])
        assert.match(wrong.stderr, /^millstream: [^\n]*offset[^\n]*\n$/)
      }
    }))

  it.effect("read ends quietly when nobody reads on", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make([yaml(doc(2).repeat(50_000))])
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const script = `"${process.execPath}" "${Cli.main}" read /games --url ${server.baseUrl} 2>&1 >&3 | cat`
      const handle = yield* spawner.spawn(ChildProcess.make("sh", ["-c", `{ ${script}; } 3>&1 | head -n 1`]))
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(handle.all)), "---\n")
      assert.strictEqual(yield* handle.exitCode, 0)
    }))

  it.effect("tail resumes at the line where it broke off", () =>
    Effect.gen(function*() {
      const end = "# the stream was deleted\n"
      const last = "# offset 3 is the last; new events follow (?live=false closes)\n"
      const long = doc(3, "type: note\npayload: |\n  # not a comment\n  offset: 9\n  last line")
      const ended = yield* against([
        yaml(`${doc(2)}${long.slice(0, long.indexOf("  offset"))}`, "break"),
        yaml(`${long}${last}# still here\n`, "end"),
        yaml(`${long}${last}${doc(4)}${end}`)
      ], ["tail", "/games", "--last", "2"])
      assert.deepStrictEqual(seen(ended), { code: 0, stdout: `${doc(2)}${long}${doc(4)}${end}`, stderr: "" })
      assert.deepStrictEqual(ended.requests.map(({ query }) => query), [
        { live: "true", format: "yaml", last: "2" },
        { live: "true", format: "yaml", afterOffset: "2" },
        { live: "true", format: "yaml", afterOffset: "2" }
      ])
      const lines = (...offsets: ReadonlyArray<number>) =>
        offsets.map((offset) => `${JSON.stringify(FakeServer.event(offset))}\n`).join("")
      const limited = yield* against([
        FakeServer.ndjson(lines(2) + lines(3).slice(0, 20), "break"),
        FakeServer.ndjson(`\n${lines(2, 3)}`)
      ], ["tail", "/games", "--format", "ndjson", "--limit", "2"])
      assert.strictEqual(limited.stdout, lines(2, 3))
    }))

  it.effect("tail ends at once on Ctrl-C", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make([(response) => {
        response.writeHead(200, { "content-type": "application/yaml" }).write(doc(2))
      }])
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const handle = yield* spawner.spawn(Cli.start(["tail", "/games", "--url", server.baseUrl]))
      yield* Stream.runHead(handle.stdout)
      const started = Date.now()
      yield* handle.kill({ killSignal: "SIGINT" })
      const code = yield* handle.exitCode
      assert.strictEqual(code, 130)
      assert.isBelow(Date.now() - started, 2_000)
    }))

  it.effect("ls draws a tree from all pages", () =>
    Effect.gen(function*() {
      const at = "2026-01-02T03:04:05.678Z"
      const child = (path: string, head: number) => ({ path, head, createdAt: at, updatedAt: at, children: 0 })
      const state = { path: "/", head: 3, createdAt: at, updatedAt: at, metadata: {}, paused: null }
      const page = Array.from({ length: 1_000 }, (_, n) => child(`/a/${String(n).padStart(4, "0")}`, 1))
      const ended = yield* against([
        FakeServer.json(200, { ...state, circuitBreaker: { enabled: false } }),
        FakeServer.json(200, page),
        FakeServer.json(200, [child("/a-b", 2), child("/b", 4), child("/b/c", 5)])
      ], ["ls"])
      assert.strictEqual(ended.code, 0)
      const lines = ended.stdout.split("\n")
      assert.deepStrictEqual(lines.slice(0, 3), ["/  3", "├── a", "│   ├── 0000  1"])
      assert.deepStrictEqual(lines.slice(-5), ["│   └── 0999  1", "├── a-b  2", "└── b  4", "    └── c  5", ""])
      assert.deepStrictEqual(ended.requests.map(({ query }) => query), [
        {},
        { recursive: "", limit: "1000" },
        { recursive: "", limit: "1000", after: "/a/0999" }
      ])
    }))

  it.effect("delete names what it removed, example is ready for a shell", () =>
    Effect.gen(function*() {
      const deleted = yield* against([FakeServer.json(200, { deleted: ["/a", "/a/b"] })], ["delete", "/a", "-r"])
      assert.deepStrictEqual(seen(deleted), { code: 0, stdout: "/a\n/a/b\n", stderr: "" })
      assert.deepStrictEqual(deleted.requests[0]?.query, { recursive: "" })
      const nothing = yield* against([FakeServer.json(200, { deleted: [] })], ["delete", "/a"])
      assert.deepStrictEqual(seen(nothing), { code: 0, stdout: "", stderr: "There was nothing at /a\n" })
      const example = { type: "stream/paused", payload: { reason: "it's late" } }
      const shown = yield* against([FakeServer.json(200, { example })], ["example", "stream/paused"])
      assert.match(shown.stdout, /^curl -d '\{"type":"stream\/paused","payload":\{"reason":"it'\\''s late"\}\}' http:/)
      assert.strictEqual(shown.requests[0]?.path, "/api/types/stream%2Fpaused")
    }))
})

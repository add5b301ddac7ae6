/** What a processor in any language says and hears: plain requests, as any program would make them. */
import { assert, layer as layered } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import * as Claim from "../../src/domain/Claim.ts"
import { Event } from "../../src/domain/Event.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { layer as server, layerOver, TestServer } from "./TestServer.ts"

/** What an answer says, as it is on the wire; nothing but what the contract names. */
const decode = <S extends Schema.ConstraintCodec<unknown, unknown>>(schema: S) => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  const judge = Schema.decodeUnknownSync(codec, { onExcessProperty: "error" })
  const encode = Schema.encodeSync(schema)
  return (text: string): S["Encoded"] => encode(judge(text))
}
const decodeClaimed = decode(Claim.Claimed)
const decodeCommitted = decode(Claim.Committed)
const decodeMoved = decode(Claim.Moved)
const decodeUndone = decode(Claim.Undone)
const decodeOpened = decode(Claim.Opened)
const decodePage = decode(Claim.Page)
const decodeUnprepared = decode(Claim.Unprepared)
const decodeFound = decode(Claim.FoundSnapshot)
const decodeKept = decode(Claim.Kept)
const decodeEvents = decode(Schema.Array(Event))
const Problem = Schema.Struct({ _tag: Schema.String, detail: Schema.String, lost: Schema.optionalKey(Schema.String) })
const decodeProblem = Schema.decodeUnknownSync(Schema.fromJsonString(Problem))

const post = Effect.fnUntraced(function*(path: string, body: Schema.Json) {
  const server = yield* TestServer
  return yield* server.ask(path, { method: "POST", body: JSON.stringify(body) })
})
const append = (path: string, type: string, payload: Schema.Json = {}) => post(`/api/streams${path}`, { type, payload })
const events = Effect.fnUntraced(function*(path: string) {
  const server = yield* TestServer
  const { text } = yield* server.ask(`/api/streams${path}?live=false&format=json`)
  return decodeEvents(text)
})

/** A processor of its own for each test: they share one server. */
const named = (name: string, folder: string) => {
  const base = `/api/processors/${name}`
  const wants = { streams: `/${folder}/**`, consumes: ["ping"], emits: ["pong"] }
  return {
    claim: (more: { readonly [name: string]: Schema.Json } = {}) =>
      Effect.map(post(`${base}/claim`, { ...wants, ...more }), ({ status, text }) => {
        assert.strictEqual(status, 200, text)
        return decodeClaimed(text)
      }),
    commit: (body: Schema.Json) => post(`${base}/commit`, body),
    committed: (body: Schema.Json) =>
      Effect.map(post(`${base}/commit`, body), ({ status, text }) => {
        assert.strictEqual(status, 200, text)
        return decodeCommitted(text)
      }),
    release: (epoch: number | null) => post(`${base}/release`, { epoch }),
    ask: (verb: string, body: Schema.Json) => post(`${base}/${verb}`, body)
  }
}
const pong = (to: string) => ({ type: "pong", payload: { to } })

const options = { excludeTestServices: true, timeout: "30 seconds" } as const

const suite = <E>(log: string, layer: Layer.Layer<TestServer, E>) =>
  layered(layer, options)(`a processor in any language, of a log in ${log}`, (it) => {
    it.effect("answers what comes after it was claimed first, and carries its state on", () =>
      Effect.gen(function*() {
        const processor = named("simple", "a")
        yield* append("/a/1", "ping", { from: "nobody" })
        const { epoch, owner } = yield* processor.claim()
        yield* append("/a/1", "ping", { from: "ada" })
        const again = yield* processor.claim({ owner })
        assert.strictEqual(again.epoch, epoch)
        const [instance] = again.instances
        assert.deepInclude(instance, { streamPath: "/a/1", epoch: 1, offset: 0, state: null, head: 3, hooksAfter: 2 })

        const first = yield* processor.committed({
          epoch, streamPath: "/a/1", offset: 2, state: { pings: 1 }, emit: [pong("nobody")]
        })
        // It was there before.
        assert.deepStrictEqual(first, { streamPath: "/a/1", offset: 2, known: false, events: [] })
        const second = { epoch, streamPath: "/a/1", offset: 3, state: { pings: 2 }, emit: [pong("ada")] }
        const { events: [event] } = yield* processor.committed(second)
        assert.deepInclude(event, { offset: 4, type: "pong", payload: { to: "ada" } })
        assert.deepStrictEqual(event?.cause, { streamPath: "/a/1", offset: 3, processor: "simple", hops: 0 })

        const repeated = yield* processor.committed(second)
        assert.deepStrictEqual(repeated, { streamPath: "/a/1", offset: 3, known: true, events: [] })
        assert.lengthOf(yield* events("/a/1"), 4)
        assert.deepStrictEqual((yield* processor.claim({ owner })).instances, [])

        yield* append("/a/1", "ping", { from: "grace" })
        const [later] = (yield* processor.claim({ owner })).instances
        assert.deepInclude(later, { offset: 3, state: { pings: 2 }, head: 5 })
      }))

    it.effect("answers what comes after a type was claimed first, wherever it was", () =>
      Effect.gen(function*() {
        const processor = named("adding", "adding")
        const { owner } = yield* processor.claim()
        for (const type of ["begun", "ping", "begun"]) yield* append("/adding/1", type)
        const { epoch, instances: [instance] } = yield* processor.claim({ owner, consumes: ["ping", "begun"] })
        assert.deepInclude(instance, { offset: 0, hooksAfter: 0, addedTypes: [{ type: "begun", hooksAfter: 4 }] })
        yield* append("/adding/1", "begun")
        const emit = [2, 3, 4, 5].map((cause) => ({ ...pong(String(cause)), cause }))
        const commit = { epoch, streamPath: "/adding/1", offset: 5, state: {}, emit }
        const { events } = yield* processor.committed(commit)
        assert.deepStrictEqual(events.map(({ cause }) => cause?.offset), [3, 5])
        const [later] = (yield* processor.claim({ owner, consumes: ["ping", "begun"] })).instances
        assert.isUndefined(later)
      }))

    it.effect("keeps the text of states and payloads", () =>
      Effect.gen(function*() {
        const processor = named("texts", "texts")
        const { epoch } = yield* processor.claim()
        yield* append("/texts/1", "ping")
        const server = yield* TestServer
        const body = `{"epoch":${epoch},"streamPath":"/texts/1","offset":2,` +
          `"state":{"n":1.00, "big":12345678901234567890},"emit":[{"type":"pong","payload":{"n":1.0,"n":2.50}}]}`
        const { text } = yield* server.ask("/api/processors/texts/commit", { method: "POST", body })
        assert.include(text, `"payload":{"n":1.0,"n":2.50}`)
        yield* append("/texts/1", "ping")
        const listed = yield* server.ask("/api/processors/texts/claim", {
          method: "POST", body: `{"consumes":["ping"],"streams":"/texts/**","owner":"other"}`
        })
        assert.include(listed.text, `"epoch":null`)
        yield* processor.release(epoch)
        const taken = yield* server.ask("/api/processors/texts/claim", {
          method: "POST", body: `{"consumes":["ping"],"streams":"/texts/**","owner":"other"}`
        })
        assert.include(taken.text, `"state":{"n":1.00,"big":12345678901234567890}`)
      }))

    it.effect("has one owner at a time: a rival gets nothing, and one that lost it is refused", () =>
      Effect.gen(function*() {
        const processor = named("owned", "b")
        const { epoch } = yield* processor.claim()
        yield* append("/b/1", "ping")
        const rival = yield* processor.claim()
        const { owner } = rival
        assert.deepStrictEqual(rival, { owner, epoch: null, until: null, instances: [], more: false })
        yield* processor.release(epoch)
        const taken = yield* processor.claim({ owner })
        assert.strictEqual(taken.epoch, 2)
        assert.lengthOf(taken.instances, 1)
        const stale = yield* processor.commit({ epoch, streamPath: "/b/1", offset: 2, emit: [pong("x")] })
        assert.strictEqual(stale.status, 409)
        assert.deepInclude(decodeProblem(stale.text), { _tag: "Fenced", lost: "lease" })
        assert.lengthOf(yield* events("/b/1"), 2)
      }))

    it.effect("emits to other streams with one more crossing, all or nothing", () =>
      Effect.gen(function*() {
        const processor = named("crossing", "c")
        const { epoch } = yield* processor.claim()
        yield* append("/c/1", "ping")
        const wrong = yield* processor.commit({
          epoch, streamPath: "/c/1", offset: 2,
          emit: [
            { ...pong("x"), streamPath: "/elsewhere/1" },
            { type: "stream/initialized", payload: { path: "/c/1" } }
          ]
        })
        assert.strictEqual(wrong.status, 422)
        assert.include(decodeProblem(wrong.text).detail, "Event 1: Only the server appends stream/initialized")
        assert.lengthOf(yield* events("/elsewhere/1"), 0)
        yield* processor.committed({
          epoch, streamPath: "/c/1", offset: 2, emit: [{ ...pong("x"), streamPath: "/elsewhere/1" }]
        })
        const [, event] = yield* events("/elsewhere/1")
        assert.deepStrictEqual(event?.cause, { streamPath: "/c/1", offset: 2, processor: "crossing", hops: 1 })
      }))

    it.effect("waits for a person where it says so", () =>
      Effect.gen(function*() {
        const processor = named("parking", "d")
        const { epoch, owner } = yield* processor.claim()
        yield* append("/d/1", "ping")
        yield* processor.committed({ epoch, streamPath: "/d/1", offset: 1, parked: { offset: 2, error: "no" } })
        const parked = (yield* events("/d/1")).at(-1)
        assert.deepInclude(parked, { type: "processor/parked", payload: { name: "parking", offset: 2, error: "no" } })
        assert.deepStrictEqual((yield* processor.claim({ owner })).instances, [])
        const late = yield* processor.commit({ epoch, streamPath: "/d/1", offset: 2 })
        assert.deepInclude(decodeProblem(late.text), { _tag: "Fenced", lost: "instance" })
        yield* post("/api/processors/parking/skip?streamPath=/d/1", {})
        const [instance] = (yield* processor.claim({ owner })).instances
        assert.deepStrictEqual(instance?.skipped, [2])
        const passed = yield* processor.committed({ epoch, streamPath: "/d/1", offset: 2, emit: [pong("x")] })
        assert.deepStrictEqual(passed.events, [], "a person passed over it")
        assert.deepStrictEqual((yield* processor.claim({ owner })).instances, [])
      }))

    it.effect("hears at once what comes while its claim waits, or that nothing came", () =>
      Effect.gen(function*() {
        const processor = named("waiting", "w")
        const { owner } = yield* processor.claim()
        assert.deepStrictEqual((yield* processor.claim({ owner, waitMillis: 100 })).instances, [])
        const waiting = yield* Effect.forkScoped(processor.claim({ owner, waitMillis: 30_000, leaseMillis: 60_000 }))
        yield* append("/w/1", "ping")
        const [instance] = (yield* Fiber.join(waiting)).instances
        assert.strictEqual(instance?.streamPath, "/w/1")
      }))

    it.effect("of a runtime finds instances and pages of their streams", () =>
      Effect.gen(function*() {
        const server = yield* TestServer
        const processor = named("runtime", "g")
        const asked = Effect.fnUntraced(function*(path: string) {
          const { text } = yield* server.ask(path)
          return text
        })
        const registered = yield* processor.ask("register", { consumes: ["ping"], streams: "/g/**" })
        assert.strictEqual(registered.text, "{}")
        yield* append("/g/1", "other")
        yield* append("/g/1", "ping")
        yield* append("/g/2", "ping")
        const { epoch, instances } = yield* processor.claim({ limit: 0 })
        assert.deepStrictEqual(instances, [])
        const moved = decodeMoved((yield* processor.ask("advance", { epoch })).text)
        assert.deepStrictEqual(moved, { paths: ["/g/1", "/g/2"], more: false })
        const undone = yield* asked("/api/processors/runtime/undone?after=/g/1")
        assert.deepStrictEqual(decodeUndone(undone), { paths: ["/g/2"] })
        const { instance } = decodeOpened((yield* processor.ask("open", { epoch, streamPath: "/g/1" })).text)
        assert.deepInclude(instance, { streamPath: "/g/1", offset: 0, head: 3 })
        const life = instance?.life ?? ""
        const none = yield* processor.ask("open", { epoch, streamPath: "/g/9" })
        assert.deepStrictEqual(decodeOpened(none.text), { instance: null })

        const page = decodePage(yield* asked("/api/page/g/1?types=ping"))
        assert.deepInclude(page, { last: 3, head: 3, life, paused: null })
        assert.deepStrictEqual(page.events.map(({ offset }) => offset), [3])
        assert.deepInclude(decodePage(yield* asked("/api/page/g/1?types=ping&before=3")), { last: 2, events: [] })
        assert.deepInclude(decodePage(yield* asked("/api/page/g/1?limit=1")), { last: 1, head: 3 })
        yield* append("/g/1", "stream/paused", { reason: "test" })
        const alone = decodePage(yield* asked("/api/page/g/1?limit=0"))
        assert.deepInclude(alone, { head: 4, life, events: [] })
        assert.strictEqual(alone.paused?.reason, "test")
        const unwritten = decodePage(yield* asked("/api/page/g/9"))
        assert.deepStrictEqual(unwritten, { last: 0, head: 0, life: null, paused: null, events: [] })

        const tail = `/api/streams/g/**?format=ndjson&live=false&after=end`
        assert.strictEqual(yield* asked(tail), "")
        yield* processor.release(epoch)
        assert.strictEqual((yield* processor.ask("advance", { epoch: 9 })).status, 409)
      }))

    it.effect("of a runtime prepares another version, whose states are the very text that was kept", () =>
      Effect.gen(function*() {
        const server = yield* TestServer
        const base = "/api/processors/prepared"
        const processor = named("prepared", "prepared")
        yield* append("/prepared/1", "ping")
        const [instance] = (yield* processor.claim({ startFrom: "start", waitMillis: 2_000 })).instances
        const life = instance?.life ?? ""
        yield* processor.committed({ epoch: instance?.epoch ?? 0, streamPath: "/prepared/1", offset: 2, state: 1 })
        const said = yield* processor.ask("prepare", { version: 2, left: 3 })
        assert.strictEqual(said.text, "{}")
        const { text: list } = yield* server.ask("/api/processors")
        assert.include(list, `"preparing":[{"version":2,"left":3}]`)
        const unprepared = Effect.map(server.ask(`${base}/unprepared?version=2`), ({ text }) => decodeUnprepared(text))
        assert.deepStrictEqual(yield* unprepared, {
          instances: [{ streamPath: "/prepared/1", life, offset: 2 }],
          after: null
        })
        const snapshot = (offset: number) =>
          Effect.map(server.ask(`${base}/snapshot?version=2&life=${life}&offset=${offset}`), ({ text }) => {
            decodeFound(text)
            return text
          })
        assert.strictEqual(yield* snapshot(2), `{"snapshot":null}`)
        const body = `{"version":2,"life":"${life}","offset":2,"state":{"n":1.0},"fibers":[]}`
        const kept = yield* server.ask(`${base}/keep`, { method: "POST", body })
        assert.deepStrictEqual(decodeKept(kept.text), { kept: true })
        assert.strictEqual(yield* snapshot(9), `{"snapshot":{"offset":2,"state":{"n":1.0},"fibers":[]}}`)
        assert.strictEqual(yield* snapshot(1), `{"snapshot":null}`)
        assert.deepStrictEqual(yield* unprepared, { instances: [], after: null })
        const gone = yield* processor.ask("keep", { version: 2, life: "1234567890", offset: 2, state: 1 })
        assert.deepStrictEqual(decodeKept(gone.text), { kept: false })
        for (const query of ["unprepared", "unprepared?version=x", "snapshot?version=2&offset=1", "snapshot?version=2&life=x&offset=1"]) {
          assert.strictEqual((yield* server.ask(`${base}/${query}`)).status, 400, query)
        }
      }))

    it.effect("is told what is wrong", () =>
      Effect.gen(function*() {
        const server = yield* TestServer
        const refusal = Effect.fnUntraced(function*(verb: string, body: string) {
          const { status, text } = yield* server.ask(`/api/processors/wrong/${verb}`, { method: "POST", body })
          return `${status} ${decodeProblem(text).detail}`
        })
        yield* append("/e/1", "ping")
        const wants = `"consumes":["ping"],"streams":"/e/**","startFrom":"start"`
        assert.include(yield* refusal("claim", "["), "400 ")
        assert.include(yield* refusal("claim", "[]"), "400 The body is not a JSON object")
        assert.include(yield* refusal("claim", "{}"), "400 `consumes`")
        assert.include(yield* refusal("claim", `{"consumes":[]}`), "400 `consumes`")
        assert.include(yield* refusal("claim", `{"consumes":["a"],"emit":[]}`), "Did you mean `emits`?")
        assert.include(yield* refusal("claim", `{"consumes":["a"],"streams":"/a/**/b"}`), "400 `streams` is no pattern")
        assert.include(yield* refusal("claim", `{"consumes":["a"],"leaseMillis":1}`), "400 `leaseMillis`")
        assert.include(yield* refusal("commit", `{"epoch":1,"offset":1,"streamPath":"/e/1"}`), "409 ")
        yield* server.ask("/api/processors/wrong/claim", { method: "POST", body: `{${wants}}` })
        assert.include(yield* refusal("commit", `{"epoch":1,"offset":1}`), "400 `streamPath` is missing")
        assert.include(
          yield* refusal("commit", `{"epoch":1,"offset":9,"streamPath":"/e/1"}`),
          "400 /e/1 has no event at offset 9"
        )
        assert.include(
          yield* refusal("commit", `{"epoch":1,"offset":2,"streamPath":"/e/1","emit":[{"type":"a","cause":5}]}`),
          "400 `cause` 5 is behind `offset` 2"
        )
        assert.include(
          yield* refusal("commit", `{"epoch":1,"offset":2,"streamPath":"/e/1","emit":[{"type":""}]}`),
          "400 `emit.0.type`"
        )
        assert.include(
          yield* refusal("commit", `{"epoch":1,"offset":2,"streamPath":"/e/1","revision":0}`),
          "400 `life` is missing"
        )
        const long = "\u4e2d".repeat(512)
        assert.include(
          yield* refusal("commit", `{"epoch":1,"offset":2,"life":"9999999999999999999"}`),
          "400 `life`: must be at most 9223372036854775807"
        )
        const cursors = `[{"kind":"${long}","key":"","value":1}]`
        assert.include(
          yield* refusal("commit", `{"epoch":1,"offset":2,"life":"1","cursors":${cursors}}`),
          "400 `cursors.0.kind`: must have at most 768 bytes as JSON"
        )
        const strange = yield* server.ask("/api/processors/%00/resume?streamPath=/e/1", { method: "POST" })
        assert.strictEqual(strange.status, 400)
        assert.include(decodeProblem(strange.text).detail, "The name of a processor must hold neither U+0000")
        const many = JSON.stringify(Array.from({ length: 1_001 }, () => ({ type: "a" })))
        assert.include(yield* refusal("commit", `{"epoch":1,"offset":2,"streamPath":"/e/1","emit":${many}}`), "413 ")
      }))

    it.effect("does not go on in a life of the stream that is over", () =>
      Effect.gen(function*() {
        const processor = named("deleted", "f")
        const server = yield* TestServer
        const { epoch, owner } = yield* processor.claim()
        yield* append("/f/1", "ping")
        const [instance] = (yield* processor.claim({ owner })).instances
        yield* server.ask("/api/streams/f/1", { method: "DELETE" })
        const commit = { epoch, streamPath: "/f/1", offset: 2, emit: [pong("x")] }
        assert.strictEqual((yield* processor.commit(commit)).status, 409)
        yield* append("/f/1", "ping")
        assert.strictEqual((yield* processor.commit({ ...commit, life: instance?.life ?? "0" })).status, 409)
      }))
  })

suite("memory", server())
suite(
  "Postgres",
  Layer.unwrap(Effect.map(Layer.build(TestPostgres.log), (log) => layerOver(Layer.succeedContext(log))))
)

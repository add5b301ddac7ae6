/** Who has no token gets in by a signature alone, and only with what is no event. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { request as send } from "node:http"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { patience, TestServer } from "../TestServer.ts"
import type { It, Posted, Signing } from "./Posting.ts"
import { asking, configure, deliver, eventOf, fresh, post, refused, remove, state, types, values } from "./Posting.ts"
import type { Sample } from "./Sent.ts"
import { plainForm, samples, sign } from "./Sent.ts"

const { gitHubPush, slackCommand, slackEvent, slackUrl, stripeEvent } = samples
const configured = "webhook/verification-configured"
const received = "webhook/received"
const tokenless = /^This server needs its token/

const stranger = { isClient: false } as const
const by = (path: string, sample: Sample, signing: Signing = {}) => deliver(path, sample, { ...signing, ...stranger })
const knock = (path: string, body: string | Uint8Array, posted: Posted = {}) =>
  post(path, body, { ...posted, ...stranger })

/** More than a stranger may send, and few bytes compressed. */
const bomb = Buffer.alloc(9 * 1_048_576, "a")

/** Status of what is asked without a token, where the body is announced and never sent. */
const announce = (path: string, headers: { readonly [name: string]: string }) =>
  Effect.flatMap(TestServer, ({ port }) =>
    Effect.callback<number | undefined>((resume) => {
      const sent = send({ host: "127.0.0.1", port, path, method: "POST", headers, agent: false }, (response) => {
        resume(Effect.succeed(response.statusCode))
        sent.destroy()
      })
      // What is broken off has no status.
      sent.on("error", () => resume(Effect.succeed(0)))
      sent.setTimeout(patience, () => sent.destroy())
      sent.flushHeaders()
    }))

export const strangers = (it: It): void => {
  it.effect("admits who has no token and is verified, and tells of retries", () =>
    Effect.gen(function*() {
      for (const sample of [slackEvent, gitHubPush, stripeEvent]) {
        const path = yield* asking(sample.provider)
        const first = yield* by(path, sample)
        assert.strictEqual(first.status, 201, first.text)
        const again = yield* by(path, sample, { off: 2, headers: { "X-Slack-Retry-Num": "2" } })
        assert.deepStrictEqual([again.status, again.text], [200, first.text])
        const named = yield* by(path, { ...sample, body: "{\"n\":1}" }, {
          query: "?as=noted&reply=empty",
          headers: { "X-GitHub-Delivery": "2" }
        })
        assert.deepStrictEqual([named.status, named.text], [200, ""])
        assert.deepStrictEqual(yield* types(path), [configured, received, "noted"])
      }
      const challenged = yield* by(yield* asking("slack"), slackUrl)
      assert.match(challenged.text, /^\{"challenge":/)
    }))

  it.effect("admits nobody else: not with another signature, an event, or a type of the system's", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      yield* deliver(path, slackEvent)
      refused(yield* knock(path, slackEvent.body), 401, /This stream takes only what Slack signed: the header/)
      refused(yield* by(path, slackEvent, { sent: "{}" }), 401, /does not fit/)
      refused(yield* by(path, slackEvent, { off: 400 }), 401, /5 minutes/)
      refused(yield* by(path, stripeEvent), 401, /Slack/)
      const signed = (body: string, signing: Signing = {}) => by(path, { ...slackEvent, body }, signing)
      const payload = { reason: "", method: "", contentType: null, query: {}, headers: {}, body: 1 }
      const events = [{ type: "ping" }, [{ type: "ping" }], { type: "stream/paused" }, { type: received, payload }]
      for (const body of events.map((each) => JSON.stringify(each))) {
        refused(yield* knock(path, body), 401, /signed: the header/)
        refused(yield* signed(body), 401, /^It is signed, but its body is an event: send it to \/in\//)
      }
      for (const body of ["{\"type\":\"\"}", "[{\"type\":\"ping\"},1]"]) refused(yield* signed(body), 422, /./)
      for (const type of ["stream/paused", received, "webhook/nothing"]) {
        refused(yield* signed("{\"reason\":\"x\"}", { query: `?as=${type}` }), 422, /has a reserved prefix/)
      }
      refused(yield* by(path, slackCommand, { query: `?as=${"x".repeat(300)}` }), 422, /as/)
      refused(yield* signed("{}", { headers: { "idempotency-key": "x".repeat(300) } }), 422, /Idempotency-Key/)
      refused(yield* signed("{}", { headers: { authorization: "Bearer wrong" } }), 401, /is not this server's/)
      refused(yield* signed("{}", { headers: { host: "evil.example.com" } }), 403, /not reached as/)
      refused(yield* signed("{}", { headers: { origin: "https://evil.example.com" } }), 403, /may not use/)
      refused(yield* signed(`"${"x".repeat(1_048_576)}"`), 413, /at most/)
      refused(yield* signed("1", { headers: { "content-encoding": "zip" } }), 400, /content encoding "zip"/)
      assert.deepStrictEqual(yield* types(path), [configured, received])
    }))

  it.effect("admits nobody to a stream that asks for nothing, which is not even made", () =>
    Effect.gen(function*() {
      const path = fresh()
      for (const body of [plainForm.body, slackEvent.body, "{\"type\":\"ping\"}"]) {
        refused(yield* knock(path, body), 401, tokenless)
        refused(yield* by(path, { ...slackEvent, body }), 401, tokenless)
        refused(yield* knock(`${path}/%zz`, body), 401, tokenless)
        refused(yield* knock(`${path}//x`, body), 401, tokenless)
      }
      assert.strictEqual((yield* state(path)).status, 404)
      yield* configure(path, "slack")
      assert.strictEqual((yield* by(path, slackEvent)).status, 201)
      yield* remove(path)
      refused(yield* by(path, slackEvent), 401, tokenless)
      assert.deepStrictEqual(yield* types(path), [])
    }))

  it.effect("reads nothing that is not verified: neither events nor what would be slow to read", () =>
    Effect.gen(function*() {
      const path = yield* asking("github")
      const yaml = { "content-type": "application/yaml" }
      const lists = "- a: b\n".repeat(140_000)
      const bodies: ReadonlyArray<readonly [string | Uint8Array, Posted["headers"]]> = [
        ["[".repeat(2_000), {}],
        ["- &a [1]\n- *b", yaml],
        [lists, yaml],
        [gzipSync(lists), { ...yaml, "content-encoding": "gzip" }],
        [`${"{}\n".repeat(2_000)}`, { "content-type": "application/x-ndjson" }],
        ["{\"type\":\"\"}", {}]
      ]
      for (const [body, headers = {}] of bodies) {
        refused(yield* knock(path, body, { headers }), 401, /signed: the header X-Hub-Signature-256 is missing$/)
        const wrong = { ...headers, ...sign("github", "wrong", "", 0) }
        refused(yield* knock(path, body, { headers: wrong }), 401, /its signature does not fit/)
      }
      assert.deepStrictEqual(yield* types(path), [configured])
    }))

  it.effect("is given no more of a content coding than an event has", () =>
    Effect.gen(function*() {
      const path = yield* asking("github")
      for (const [body, coding] of [[gzipSync(bomb), "gzip"], [brotliCompressSync(bomb), "br"]] as const) {
        const answer = yield* knock(path, body, { headers: { "content-encoding": coding } })
        refused(answer, 413, /An event has at most 1048576 bytes/)
      }
    }))

  it.effect("reads no body that it will not take", () =>
    Effect.gen(function*() {
      const host = { host: "127.0.0.1" }
      assert.strictEqual(yield* announce(`/api/streams${fresh()}`, { ...host, "content-length": "5" }), 401)
      const path = yield* asking("slack")
      assert.strictEqual(yield* announce(`/api/streams${path}`, { ...host, "content-length": "1048577" }), 413)
    }))

  it.effect("leaves every other door locked", () =>
    Effect.gen(function*() {
      const path = yield* asking("github")
      const { ask } = yield* TestServer
      const headers = { ...sign("github", values.github[0], "", 0) }
      for (const method of ["GET", "DELETE", "PUT", "PATCH", "HEAD"]) {
        assert.strictEqual((yield* ask(`/api/streams${path}`, { method, headers })).status, 401, method)
      }
      for (const url of ["/api/streams", `/api/state${path}`, "/api/processors/x/claim", `/API/STREAMS${path}`, "/"]) {
        assert.strictEqual((yield* ask(url, { method: "POST", headers })).status, 401, url)
      }
      assert.strictEqual(eventOf(yield* by(path, gitHubPush)).type, received)
    }))
}

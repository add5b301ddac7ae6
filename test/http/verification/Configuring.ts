/** What a stream asks of what arrives and is no event: from its configuration on, until that is taken back. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { gzipSync } from "node:zlib"
import type { It } from "./Posting.ts"
import { asking, configure, deliver, eventOf, field, fresh, post, refused, remove, state, types } from "./Posting.ts"
import { plainForm, samples } from "./Sent.ts"

const { slackEvent, standard, stripeEvent } = samples
const configured = "webhook/verification-configured"
const received = "webhook/received"

export const configuring = (it: It) => {
  it.effect("is asked of what is no event, however it is recorded", () =>
    Effect.gen(function*() {
      const path = yield* asking("stripe")
      for (const query of ["", "?as=paid", "?reply=empty"]) {
        for (const ingest of [false, true]) {
          const headers = { "content-type": plainForm.contentType }
          const unsigned = yield* post(path, plainForm.body, { headers, query, ingest })
          refused(unsigned, 401, /This stream takes only what Stripe signed: the header Stripe-Signature is missing/)
        }
      }
      assert.strictEqual((yield* deliver(path, stripeEvent, { query: "?as=paid&reply=empty" })).text, "")
      const again = yield* deliver(path, stripeEvent, { query: "?as=paid", ingest: true })
      assert.strictEqual(again.status, 200, again.text)
      assert.strictEqual(eventOf(again).type, "paid")
      const ingested = { ...stripeEvent, body: "{\"type\":\"ping\",\"payload\":{}}" }
      refused(yield* post(path, ingested.body, { ingest: true }), 401, /is missing/)
      assert.strictEqual(eventOf(yield* deliver(path, ingested, { ingest: true })).type, received)
      assert.strictEqual((yield* post(path, ingested.body)).status, 201)
      assert.deepStrictEqual(yield* types(path), [configured, "paid", received, "ping"])
    }))

  it.effect("is not asked of other streams, nor after a delete", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      const headers = { "content-type": plainForm.contentType }
      assert.strictEqual((yield* post(`${path}/below`, plainForm.body, { headers })).status, 201)
      refused(yield* post(path, plainForm.body, { headers }), 401, /Slack/)
      assert.include((yield* state(path)).text, "\"verification\":{\"provider\":\"slack\",\"secret\":\"slack\"}")
      yield* remove(path)
      const anew = yield* post(path, plainForm.body, { headers })
      assert.strictEqual(anew.status, 201, anew.text)
      assert.deepStrictEqual(field(eventOf(anew).payload, "body"), {
        name: "Ada Lovelace",
        email: "ada@example.com",
        topic: ["engines", "poetry"],
        message: "Can it compose music?\r\nYours, Ada"
      })
      assert.notInclude((yield* state(path)).text, "verification")
    }))

  it.effect("is what was configured last", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      yield* configure(path, "stripe")
      refused(yield* deliver(path, slackEvent), 401, /Stripe/)
      assert.strictEqual((yield* deliver(path, stripeEvent)).status, 201)
    }))

  it.effect("is asked no more once that is switched off, by who may", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      const off = JSON.stringify({ type: configured, payload: { enabled: false } })
      refused(yield* post(path, off, { ingest: true }), 401, /Slack/)
      assert.strictEqual((yield* post(path, off)).status, 201)
      assert.notInclude((yield* state(path)).text, "verification")
      const plain = yield* post(path, "{\"n\":1}")
      assert.isUndefined(field(eventOf(plain).payload, "verified"))
      assert.strictEqual((yield* deliver(path, slackEvent, { ingest: true })).status, 201)
      refused(yield* deliver(path, slackEvent, { isClient: false }), 401, /^This server needs its token/)
      const on = JSON.stringify({ type: configured, payload: { enabled: true, provider: "slack", secret: "slack" } })
      assert.strictEqual((yield* post(path, on)).status, 201)
      assert.include((yield* state(path)).text, "\"verification\":{\"provider\":\"slack\",\"secret\":\"slack\"}")
      refused(yield* post(path, "{\"n\":1}"), 401, /Slack/)
      for (const payload of [{}, { enabled: false, provider: "slack" }, { provider: "slack" }, { enabled: true }]) {
        assert.strictEqual((yield* post(path, JSON.stringify({ type: configured, payload }))).status, 422)
      }
    }))

  it.effect("is judged before what arrives at /in/ is read", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      const deep = "[".repeat(2_000)
      refused(yield* post(path, deep, { ingest: true }), 401, /signed: the header X-Slack-Signature is missing$/)
      refused(yield* deliver(path, { ...slackEvent, body: deep }, { ingest: true }), 400, /nests deeper/)
      refused(yield* post(fresh(), deep, { ingest: true }), 400, /nests deeper/)
    }))

  it.effect("is over the body without its content coding", () =>
    Effect.gen(function*() {
      const path = yield* asking("stripe")
      const { text } = yield* deliver(path, stripeEvent)
      const headers = { "content-encoding": "gzip" }
      const zipped = yield* deliver(path, stripeEvent, { headers, sent: gzipSync(stripeEvent.body) })
      assert.deepStrictEqual([zipped.status, zipped.text], [200, text])
    }))

  it.effect("waits for a secret that the server lacks, and says which", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* configure(path, "github", "their-app")
      for (const by of [{ isClient: false }, { ingest: true }]) {
        const told = yield* deliver(path, samples.gitHubPush, by)
        refused(told, 503, /^This server can not verify what GitHub signed: its log says what is missing/)
        assert.notMatch(told.text, /MILLSTREAM|their|THEIR/)
      }
      const answer = yield* deliver(path, samples.gitHubPush)
      refused(answer, 503, /^MILLSTREAM_SECRET_THEIR_APP is not set on this server, so what GitHub signed can not be/)
      assert.strictEqual(answer.headers["retry-after"], "60")
      yield* configure(path, "standard-webhooks", "github")
      refused(yield* deliver(path, standard), 503, /^MILLSTREAM_SECRET_GITHUB is no secret of a sender of Standard/)
      assert.deepStrictEqual(yield* types(path), [configured, configured])
    }))

  it.effect("is asked from its event on, whatever arrives at the same time", () =>
    Effect.gen(function*() {
      const path = fresh()
      const arrive = (n: number) =>
        n === 20
          ? Effect.as(configure(path, "slack"), 201)
          : Effect.map(post(path, `{"n":${n}}`), ({ status }) => status)
      const all = Array.from({ length: 60 }, (_, n) => n)
      const statuses = yield* Effect.forEach(all, arrive, { concurrency: "unbounded" })
      const recorded = yield* types(path)
      assert.strictEqual(recorded.at(-1), configured)
      assert.strictEqual(statuses.filter((status) => status === 201).length, recorded.length)
      assert.deepStrictEqual([...new Set(statuses)].filter((status) => status !== 201 && status !== 401), [])
    }))
}

/** What verification does over HTTP, whatever the log: run `suite` over a server that has the secrets of `Posting`. */
import { assert, layer as layered } from "@effect/vitest"
import { Clock, Effect } from "effect"
import type { Layer } from "effect"
import type { TestServer } from "../TestServer.ts"
import { configuring } from "./Configuring.ts"
import type { It } from "./Posting.ts"
import { asking, configure, deliver, eventOf, events, field, fresh, post, refused, types, values } from "./Posting.ts"
import type { Sample } from "./Sent.ts"
import { samples, sign } from "./Sent.ts"
import { strangers } from "./Strangers.ts"

const { slackCommand, slackEvent, slackUrl } = samples
const configured = "webhook/verification-configured"
const received = "webhook/received"

export const suite = <E>(name: string, server: Layer.Layer<TestServer, E>) =>
  layered(server, { excludeTestServices: true, timeout: "60 seconds" })(`verification, ${name}`, (it) => {
    for (const [sampleName, sample] of Object.entries(samples)) samplesOf(it, sampleName, sample)
    configuring(it)
    answered(it)
    claimed(it)
    strangers(it)
  })

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => Math.floor(millis / 1_000))

const samplesOf = (it: It, name: string, sample: Sample) => {
  const { body, key, provider } = sample
  const [older, newer] = values[provider]

  it.effect(`records ${name} as it was sent, once for all its retries`, () =>
    Effect.gen(function*() {
      const path = yield* asking(provider)
      const first = yield* deliver(path, sample)
      assert.isTrue(first.status === 201 || sample === slackUrl, first.text)
      const [, , recorded] = yield* events(path)
      assert.strictEqual(recorded?.type, received)
      if (key === undefined) assert.match(recorded?.idempotencyKey ?? "", /^webhook\/[0-9a-f]{64}$/)
      else assert.strictEqual(recorded?.idempotencyKey, key)
      assert.strictEqual(field(recorded?.payload, "verified"), provider)
      assert.strictEqual(field(recorded?.payload, "raw"), body)
      // Signed again with the newer secret, at another time, and told to be a retry.
      const headers = { "X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout" }
      const again = yield* deliver(path, sample, { secret: newer, off: 60, headers })
      const expected = [configured, received]
      if (key === undefined) expected.push(received)
      else {
        assert.strictEqual(again.status, 200, again.text)
        assert.strictEqual(again.text, first.text)
      }
      assert.deepStrictEqual(yield* types(path), expected)
    }))

  it.effect(`refuses ${name} that is not signed by its provider, now and for this body`, () =>
    Effect.gen(function*() {
      const path = yield* asking(provider)
      const headers = { "content-type": sample.contentType, ...sample.headers }
      const missing = /^This stream takes only what .* signed: the header .* is missing$/
      refused(yield* post(path, body, { headers }), 401, missing)
      refused(yield* deliver(path, sample, { sent: body.replace("1", "2") }), 401, /does not fit the body/)
      refused(yield* deliver(path, sample, { secret: values.slack[0].repeat(2) }), 401, /does not fit/)
      refused(yield* deliver(path, sample, { ingest: true, sent: `${body} ` }), 401, /does not fit/)
      for (const off of provider === "github" ? [] : [-330, 330]) {
        refused(yield* deliver(path, sample, { off }), 401, /more than 5 minutes/)
      }
      assert.deepStrictEqual(yield* types(path), [configured])
      // Nor does it hear what is recorded under its key.
      const { text } = yield* deliver(path, sample, { secret: older })
      const unsigned = yield* post(path, body, { headers })
      refused(unsigned, 401, /is missing$/)
      assert.notInclude(unsigned.text, text)
      const guessed = { ...headers, "Idempotency-Key": key ?? "guessed" }
      refused(yield* post(path, body, { headers: guessed }), 401, /is missing$/)
      assert.deepStrictEqual(yield* types(path), [configured, received])
    }))
}

const answered = (it: It) => {
  it.effect("answers Slack's challenge, which is recorded, once it is signed", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      refused(yield* deliver(path, slackUrl, { secret: "wrong" }), 401, /does not fit/)
      for (const query of ["", "?reply=empty"]) {
        const { headers, status, text } = yield* deliver(path, slackUrl, { query })
        assert.strictEqual(status, 200)
        assert.strictEqual(headers["content-type"], "application/json")
        assert.strictEqual(text, "{\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P\"}")
      }
      const again = yield* deliver(path, slackUrl, { off: -1 })
      assert.match(again.text, /^\{"challenge":/)
      assert.strictEqual((yield* post(fresh(), slackUrl.body)).status, 201, "nobody answers where none is asked for")
    }))

  it.effect("takes what has no id once, as it was signed", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      const headers = sign("slack", values.slack[0], slackCommand.body, yield* seconds)
      const first = yield* deliver(path, slackCommand, { headers })
      assert.strictEqual(first.status, 201, first.text)
      const signature = headers["X-Slack-Signature"] ?? ""
      for (const seen of [signature, `v0=${signature.slice(3).toUpperCase()}`]) {
        const again = { ...headers, "X-Slack-Signature": seen, "Idempotency-Key": "mine" }
        const { status, text } = yield* deliver(path, slackCommand, { headers: again, isClient: false })
        assert.deepStrictEqual([status, text], [200, first.text])
      }
      assert.deepStrictEqual(yield* types(path), [configured, received])
    }))

  it.effect("answers a command with nothing where the URL says so", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      const { status, text } = yield* deliver(path, slackCommand, { query: "?reply=empty&as=command/sent" })
      assert.deepStrictEqual([status, text], [200, ""])
      const [, , command] = yield* events(path)
      assert.strictEqual(field(command?.payload, "command"), "/webhook-collect")
    }))

  it.effect("takes a delivery's id for its key, however long, before the header's", () =>
    Effect.gen(function*() {
      const path = yield* asking("github")
      const headers = { "Idempotency-Key": "mine", "X-GitHub-Delivery": "x".repeat(249) }
      const { body, contentType, provider } = samples.gitHubPush
      const sample: Sample = { body, contentType, provider }
      const first = yield* deliver(path, sample, { headers })
      assert.match(eventOf(first).idempotencyKey ?? "", /^webhook\/sha256:[0-9a-f]{64}$/)
      const again = yield* deliver(path, sample, { headers: { ...headers, "Idempotency-Key": "other" } })
      assert.deepStrictEqual([again.status, again.text], [200, first.text])
      const plain = yield* deliver(path, sample, { headers: { "Idempotency-Key": "mine" } })
      assert.strictEqual(eventOf(plain).idempotencyKey, "mine")
      // Where a client chose the key its content counts.
      const other = yield* deliver(path, { ...sample, body: "{}" }, { headers: { "Idempotency-Key": "mine" } })
      assert.strictEqual(other.status, 409, other.text)
    }))

  it.effect("changes nothing else: a paused stream takes no delivery but knows what it has", () =>
    Effect.gen(function*() {
      const path = yield* asking("slack")
      const { text } = yield* deliver(path, slackEvent)
      yield* post(path, "{\"type\":\"stream/paused\"}")
      assert.deepStrictEqual((yield* deliver(path, slackEvent, { off: 1 })).text, text)
      refused(yield* deliver(path, slackCommand), 423, /paused/)
      refused(yield* post(path, slackCommand.body), 401, /Slack/)
    }))
}

const claimed = (it: It) => {
  it.effect("leaves it to the server to say that something was received", () =>
    Effect.gen(function*() {
      const path = fresh()
      const payload = { reason: "r", method: "POST", contentType: null, query: {}, headers: {}, body: 1 }
      const claim = JSON.stringify({ type: received, payload })
      assert.strictEqual((yield* post(path, claim)).status, 201)
      yield* configure(path, "slack")
      const batch = `[{"type":"ping"},${claim}]`
      for (const body of [claim, batch]) {
        refused(yield* post(path, body), 401, /only the server says .* as Slack signed it$/)
      }
      const named: Sample = { ...slackEvent, body: JSON.stringify({ ...payload, raw: "x" }) }
      refused(yield* deliver(path, named, { query: `?as=${received}` }), 401, /only the server says/)
      assert.strictEqual((yield* post(path, "[{\"type\":\"ping\"},{\"type\":\"pong\"}]")).status, 201)
      assert.deepStrictEqual(yield* types(path), [received, configured, "ping", "pong"])
    }))
}

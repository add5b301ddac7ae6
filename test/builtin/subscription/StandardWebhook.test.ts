/** Signatures that the library of Standard Webhooks accepts. */
import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import { Webhook } from "standardwebhooks"
import * as StandardWebhook from "../../../src/builtin/subscription/StandardWebhook.ts"

const keyOf = (secret: string) => Result.getOrThrow(StandardWebhook.keyOf(secret))
const body = "{\"type\":\"ping\",\"text\":\"süß\"}"
const bytes = new TextEncoder().encode(body)

it("signs as the specification's example", () => {
  const key = keyOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
  const signed = StandardWebhook.headers(
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1_614_265_330_000,
    new TextEncoder().encode("{\"test\": 2432232314}"),
    [key]
  )
  assert.strictEqual(signed["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
  assert.strictEqual(signed["webhook-timestamp"], "1614265330")
})

it("is accepted with either secret while one is rotated, and not once a byte differs", () => {
  const secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
  const headers = StandardWebhook.headers("msg_1", Date.now(), bytes, secrets.map(keyOf))
  for (const secret of secrets) assert.deepStrictEqual(new Webhook(secret).verify(body, headers), JSON.parse(body))
  assert.throws(() => new Webhook("whsec_AAAAsBQIhrscChlQIMV+b5sSYspob7oD").verify(body, headers))
  assert.throws(() => new Webhook(secrets[0] ?? "").verify(body.replace("ping", "pong"), headers))
})

it("takes a secret without the prefix as it is", () => {
  const headers = StandardWebhook.headers("msg_1", Date.now(), bytes, [keyOf("plain text")])
  new Webhook("plain text", { format: "raw" }).verify(body, headers)
})

it("says what is wrong with a secret, and not the secret", () => {
  for (const secret of ["whsec_", "whsec_?not-base64?", ""]) {
    const key = StandardWebhook.keyOf(secret)
    assert.isTrue(Result.isFailure(key))
    if (Result.isFailure(key)) assert.notInclude(key.failure, "not-base64")
  }
})

it("signs nothing without keys, and names what is sent the same each time", () => {
  assert.notProperty(StandardWebhook.headers("msg_1", 0, bytes, []), "webhook-signature")
  const id = StandardWebhook.idOf("/a", "slug", 7)
  assert.match(id, /^msg_[\w-]{32}$/)
  assert.strictEqual(StandardWebhook.idOf("/a", "slug", 7), id)
  assert.notStrictEqual(StandardWebhook.idOf("/a", "slug", 8), id)
})

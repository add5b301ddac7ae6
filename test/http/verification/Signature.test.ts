/** Signatures that the providers have published, and what must not pass for one. */
import { assert, describe, it } from "@effect/vitest"
import { Webhook } from "standardwebhooks"
import type { Verification } from "../../../src/domain/Verification.ts"
import type { Provider } from "../../../src/http/verification/Provider.ts"
import { providers } from "../../../src/http/verification/Provider.ts"
import * as Signature from "../../../src/http/verification/Signature.ts"
import { samples, sign } from "./Sent.ts"

type Headers = { readonly [name: string]: string | undefined }

const lower = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const keysOf = (provider: Provider, secrets: ReadonlyArray<string>) =>
  secrets.flatMap((secret) => provider.key(secret) ?? [])

/** Why it is refused. `now` is in seconds. */
const judge = (
  name: Verification["provider"],
  secrets: ReadonlyArray<string>,
  body: string,
  headers: Headers,
  now: number
) =>
  Signature.judge(
    providers[name],
    { headers: lower(headers), body: Buffer.from(body) },
    keysOf(providers[name], secrets),
    now * 1_000
  )

describe("a published signature", () => {
  it("of Slack's fits", () => {
    const headers = {
      "X-Slack-Request-Timestamp": "1531420618",
      "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    }
    const secret = "8f742231b10e8888abcd99yyyzzz85a5"
    assert.isUndefined(judge("slack", [secret], samples.slackCommand.body, headers, 1_531_420_618))
    assert.match(judge("slack", [secret], samples.slackCommand.body, headers, 1_531_420_919) ?? "", /5 minutes/)
    assert.deepStrictEqual(sign("slack", secret, samples.slackCommand.body, 1_531_420_618), headers)
  })

  it("of GitHub's fits, whenever it was made", () => {
    const headers = {
      "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    }
    const secret = "It's a Secret to Everybody"
    assert.isUndefined(judge("github", [secret], "Hello, World!", headers, 0))
    assert.deepStrictEqual(sign("github", secret, "Hello, World!", 0), headers)
  })

  it("of Standard Webhooks' fits", () => {
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    const body = "{\"test\": 2432232314}"
    const headers = {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    }
    assert.isUndefined(judge("standard-webhooks", [secret], body, headers, 1_614_265_330))
    assert.deepStrictEqual(sign("standard-webhooks", secret, body, 1_614_265_330), headers)
    const made = new Webhook(secret).sign("msg_1", new Date(5_000), body)
    const several = { "webhook-id": "msg_1", "webhook-timestamp": "5", "webhook-signature": `v1a,abc ${made} v1,x` }
    assert.isUndefined(judge("standard-webhooks", [secret.slice(6)], body, several, 5))
  })
})

for (const [name, { body, provider }] of Object.entries(samples)) {
  describe(`${name}, as ${provider} signs it`, () => {
    const secret = Buffer.from("the secret of this test!").toString("base64")
    const other = Buffer.from("another one of this test").toString("base64")
    const at = 1_000_000
    const headers = sign(provider, secret, body, at)
    const signedHeader = Object.keys(headers).find((each) => /signature/i.test(each)) ?? ""
    const signature = headers[signedHeader] ?? ""

    it("fits with its secret, and with any of several", () => {
      for (const secrets of [[secret], [other, secret], [secret, other]]) {
        assert.isUndefined(judge(provider, secrets, body, headers, at))
      }
      assert.match(judge(provider, [other], body, headers, at) ?? "", /does not fit/)
    })

    it("fits nothing but its body", () => {
      for (const each of [`${body} `, body.slice(1), "", body.replace("a", "b")]) {
        assert.match(judge(provider, [secret], each, headers, at) ?? "", /does not fit/)
      }
    })

    it("lets its time be five minutes off, and no more", () => {
      for (const off of [-300, 0, 300]) assert.isUndefined(judge(provider, [secret], body, headers, at + off))
      for (const off of [-301, 301]) {
        const refusal = judge(provider, [secret], body, headers, at + off)
        if (provider === "github") assert.isUndefined(refusal)
        else assert.match(refusal ?? "", /more than 5 minutes/)
      }
    })

    it("lacks what is left out, by name", () => {
      for (const left of Object.keys(headers)) {
        const refusal = judge(provider, [secret], body, { ...headers, [left]: undefined }, at)
        assert.strictEqual(refusal, `the header ${left} is missing`)
      }
    })

    it("is nothing that only looks like it", () => {
      const cut = [`${signature}0`, signature.slice(0, -2), signature.slice(3)]
      const strange = ["x", ",", "=", "v0=", "v1,", "t=,v1=", ...cut]
      for (const each of strange) {
        const refusal = judge(provider, [secret], body, { ...headers, [signedHeader]: each }, at)
        assert.isString(refusal, each)
        assert.notInclude(refusal, signature.slice(-40))
      }
      const times = Object.keys(headers).filter((each) => /timestamp/i.test(each))
      for (const each of times) {
        for (const time of ["", "now", "-1", "1e6", "0x1", " 1000000", "1000000.0"]) {
          assert.isString(judge(provider, [secret], body, { ...headers, [each]: time }, at), time)
        }
      }
    })
  })
}

describe("a secret", () => {
  it("of Standard Webhooks is Base64", () => {
    const { key } = providers["standard-webhooks"]
    for (const each of ["whsec_", "", "not base64", "whsec_a-b_"]) assert.isUndefined(key(each), each)
    assert.deepStrictEqual(key("whsec_YWJj"), Buffer.from("abc"))
  })

  it("that is missing lets nothing pass", () => {
    for (const { body, provider } of Object.values(samples)) {
      assert.isString(judge(provider, [], body, sign(provider, "", body, 0), 0))
    }
  })
})

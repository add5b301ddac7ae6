/** Deliveries as their providers send them, signed with a secret of the test's. */
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Verification } from "../../../src/domain/Verification.ts"

export interface Sample {
  readonly provider: Verification["provider"]
  readonly body: string
  readonly contentType: string
  /** What is recorded as its key; one of this very attempt where there is none. */
  readonly key?: string | undefined
  /** Headers that are not about the signature. */
  readonly headers?: { readonly [name: string]: string } | undefined
}

const json = "application/json"
const form = "application/x-www-form-urlencoded"

const read = (name: string): string => readFileSync(new URL(`../../fixtures/webhooks/${name}`, import.meta.url), "utf8")

/** From the providers' documents, the long ones shortened. */
export const samples = {
  slackEvent: { provider: "slack", body: read("slack-event.json"), contentType: json, key: "webhook/Ev123ABC456" },
  slackUrl: { provider: "slack", body: read("slack-url-verification.json"), contentType: json },
  slackCommand: { provider: "slack", body: read("slack-command.txt"), contentType: form },
  gitHubPush: {
    provider: "github",
    body: read("github-push.json"),
    contentType: json,
    key: "webhook/72d3162e-cc78-11e3-81ab-4c9367dc0958",
    headers: { "X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958" }
  },
  gitHubPing: {
    provider: "github",
    body: read("github-ping.txt"),
    contentType: form,
    key: "webhook/0b989ba4-242f-11e5-81e1-c7b6966d2516",
    headers: { "X-GitHub-Event": "ping", "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516" }
  },
  stripeEvent: {
    provider: "stripe",
    body: read("stripe-event.json"),
    contentType: "application/json; charset=utf-8",
    key: "webhook/evt_1NG8Du2eZvKYlo2CUI79vXWy"
  },
  standard: {
    provider: "standard-webhooks",
    body: read("standard-webhooks.json"),
    contentType: json,
    key: "webhook/msg_p5jXN8AQM9LWM0D4loKWxJek"
  }
} satisfies { readonly [name: string]: Sample }

/** What a page's own form sends; nobody signs that. */
export const plainForm = { body: read("form.txt"), contentType: form }

const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text)

/** The headers by which a provider signs a body. `at` is in seconds since 1970. */
export const sign = (
  provider: Verification["provider"],
  secret: string,
  body: string,
  at: number
): { readonly [name: string]: string } => {
  switch (provider) {
    case "slack":
      return {
        "X-Slack-Request-Timestamp": String(at),
        "X-Slack-Signature": `v0=${hmac(secret, `v0:${at}:${body}`).digest("hex")}`
      }
    case "github":
      return { "X-Hub-Signature-256": `sha256=${hmac(secret, body).digest("hex")}` }
    case "stripe":
      return { "Stripe-Signature": `t=${at},v0=${"0".repeat(64)},v1=${hmac(secret, `${at}.${body}`).digest("hex")}` }
    case "standard-webhooks": {
      const id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
      const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64")
      return {
        "webhook-id": id,
        "webhook-timestamp": String(at),
        "webhook-signature": `v1,${hmac(key, `${id}.${at}.${body}`).digest("base64")}`
      }
    }
  }
}

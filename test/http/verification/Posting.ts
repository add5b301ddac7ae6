/** Streams that ask for a provider's signature, and what is posted to them. */
import { assert } from "@effect/vitest"
import type { Vitest } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { Event } from "../../../src/domain/Event.ts"
import type { Verification } from "../../../src/domain/Verification.ts"
import type { Answer } from "../TestServer.ts"
import { TestServer } from "../TestServer.ts"
import type { Sample } from "./Sent.ts"
import { sign } from "./Sent.ts"

/** The tests of a server. */
export type It = Vitest.MethodsNonLive<TestServer>

export const token = "all-rights"
export const ingestToken = "inbox"

/** The values of each provider's secret, the first of them the older one. */
export const values: { readonly [Provider in Verification["provider"]]: readonly [string, string] } = {
  slack: ["8f742231b10e8888abcd99yyyzzz85a5", "e6b19c573432dcc6b075501d51b51bb8"],
  github: ["first-of-GitHub", "second-of-GitHub"],
  stripe: ["whsec_first", "whsec_second"],
  "standard-webhooks": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
}

/** What the server has under the name of each provider. */
export const secrets = Object.fromEntries(Object.entries(values).map(([name, each]) => [name, each.join(" ")]))

let streams = 0
/** A stream of its own for each test. */
export const fresh = (): string => `/hooks/${++streams}`

export interface Posted {
  readonly headers?: { readonly [name: string]: string } | undefined
  readonly query?: string
  /** By `/in/` and its token. */
  readonly ingest?: boolean
  /** With the server's token. */
  readonly isClient?: boolean
}

export const post = (
  path: string,
  body: string | Uint8Array,
  posted: Posted = {}
): Effect.Effect<Answer, never, TestServer> =>
  Effect.flatMap(TestServer, ({ ask }) => {
    const { headers, ingest = false, isClient = true, query = "" } = posted
    const authorization: { readonly [name: string]: string } = isClient ? { authorization: `Bearer ${token}` } : {}
    const url = `${ingest ? `/in/${ingestToken}` : "/api/streams"}${path}${query}`
    const contentType = { "content-type": "application/json" }
    return ask(url, { method: "POST", body, headers: { ...contentType, ...authorization, ...headers } })
  })

export interface Signing extends Posted {
  readonly secret?: string
  /** Seconds from now. */
  readonly off?: number
  /** What arrives instead of what was signed. */
  readonly sent?: string | Uint8Array
}

/** A delivery as its provider makes it, now. */
export const deliver = Effect.fnUntraced(function*(path: string, sample: Sample, signing: Signing = {}) {
  const { headers, off = 0, secret = values[sample.provider][0], sent = sample.body } = signing
  const now = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
  return yield* post(path, sent, {
    ...signing,
    headers: {
      "content-type": sample.contentType,
      ...sample.headers,
      ...sign(sample.provider, secret, sample.body, now + off),
      ...headers
    }
  })
})

/** Makes a stream ask for a provider's signature. */
export const configure = (path: string, provider: Verification["provider"], secret: string = provider) =>
  Effect.map(
    post(path, JSON.stringify({ type: "webhook/verification-configured", payload: { provider, secret } })),
    ({ status, text }) => assert.strictEqual(status, 201, text)
  )

/** A stream that asks for it. */
export const asking = (provider: Verification["provider"]) => {
  const path = fresh()
  return Effect.as(configure(path, provider), path)
}

const decodeEvents = Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(Schema.Array(Event))))
const decodeEvent = Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(Event)))
const decodeProblem = Schema.decodeUnknownSync(Schema.fromJsonString(
  Schema.Struct({ _tag: Schema.String, detail: Schema.String })
))

/** The event that an answer tells. */
export const eventOf = ({ text }: Answer): Event => decodeEvent(text)

const ask = (path: string, method = "GET") =>
  Effect.flatMap(TestServer, (server) => server.ask(path, { method, headers: { authorization: `Bearer ${token}` } }))

/** All events of a stream. */
export const events = (path: string) =>
  Effect.map(ask(`/api/streams${path}?live=false&format=json`), ({ text }) => decodeEvents(text))

/** The types of all but the first, which every stream begins with. */
export const types = (path: string) => Effect.map(events(path), (all) => all.slice(1).map(({ type }) => type))

export const state = (path: string) => ask(`/api/state${path}`)
export const remove = (path: string) => ask(`/api/streams${path}`, "DELETE")

/** A member of a value of JSON. */
export const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Object.entries(value).find(([each]) => each === name)?.[1] : undefined

/** The answer is a refusal, and says why. */
export const refused = (answer: Answer, status: number, reason: RegExp): void => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.match(decodeProblem(answer.text).detail, reason)
}

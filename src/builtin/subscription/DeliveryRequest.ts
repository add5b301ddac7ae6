/** One push as a request, and what comes back of it. The body is sent as it is signed. */
import { Clock, Duration, Effect, Redacted, Result } from "effect"
import * as EventText from "../../domain/EventText.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import type { Egress } from "../../egress/Egress.ts"
import type { Push } from "./DeliveryFeed.ts"
import * as DeliveryRetry from "./DeliveryRetry.ts"
import * as FollowLine from "./FollowLine.ts"
import type { Secrets } from "../Secrets.ts"
import { variableOf } from "../Secrets.ts"
import * as StandardWebhook from "./StandardWebhook.ts"
import type { Configuration } from "./Subscription.ts"

/** How long a receiver may take for its whole answer. */
const timeout = Duration.seconds(15)
/** Bound of its answer, in bytes, decoded: what one event may have. */
const maxReply = 1_048_576

export interface Options {
  readonly egress: Egress["Service"]
  readonly secrets: Secrets["Service"]
  /** As which program it introduces itself. */
  readonly userAgent: string
  readonly path: StreamPath
  readonly slug: string
  readonly configuration: Configuration
}

/** What came of a request; the body where it was taken. */
export interface Sent {
  readonly answer: DeliveryRetry.Answer
  readonly body: Uint8Array
}

const nothing = new Uint8Array()
const utf8 = new TextEncoder()

export class Requests {
  private readonly options: Options
  /** Of the secret, read once: its value does not change while the server runs. */
  private keys: ReadonlyArray<Uint8Array> | undefined

  constructor(options: Options) {
    this.options = options
  }

  readonly send = (push: Push): Effect.Effect<Sent> =>
    Effect.suspend(() => this.keys === undefined
      ? Effect.flatMap(this.readKeys, (keys) => {
        if (typeof keys === "string") return Effect.succeed(refused(keys))
        this.keys = keys
        return this.sendSigned(push, keys)
      })
      : this.sendSigned(push, this.keys))

  private sendSigned(push: Push, keys: ReadonlyArray<Uint8Array>): Effect.Effect<Sent> {
    const { configuration, egress } = this.options
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const body = utf8.encode(push.body)
      const headers = this.headers(push, body, now, keys)
      const { url } = configuration
      return egress.send({ url, method: "POST", headers, body, timeout, maxResponseBytes: maxReply })
    }).pipe(
      Effect.flatMap(({ body, headers, status }) =>
        Effect.map(Clock.currentTimeMillis, (now) => ({ answer: DeliveryRetry.judge(status, headers, now), body }))),
      Effect.catchTags({
        EgressRefused: ({ reason }) => Effect.succeed(refused(reason)),
        EgressFailed: ({ reason }) => Effect.succeed<Sent>({ answer: { _tag: "Failed", error: reason }, body: nothing })
      })
    )
  }

  private headers({ count, first, last }: Push, body: Uint8Array, now: number, keys: ReadonlyArray<Uint8Array>) {
    const { configuration: { batch, descendants }, path, slug, userAgent } = this.options
    const stream = FollowLine.pathOf(last)
    const offset = EventText.offsetOf(last)
    // Of what one push holds the first and the last name all of it.
    const id = count === 1
      ? StandardWebhook.idOf(path, slug, stream, offset)
      : StandardWebhook.idOf(path, slug, FollowLine.pathOf(first), EventText.offsetOf(first), stream, offset)
    const isMixed = descendants === true && batch !== undefined
    return {
      "content-type": "application/json",
      "user-agent": userAgent,
      "millstream-subscription": encodeURIComponent(slug),
      "millstream-stream": isMixed ? path : stream,
      ...(isMixed ? {} : { "millstream-offset": String(offset) }),
      ...StandardWebhook.headers(id, now, body, keys)
    }
  }

  /** The keys that sign; or why nothing may be sent, which a person has to mend. */
  private readonly readKeys: Effect.Effect<ReadonlyArray<Uint8Array> | string> = Effect.suspend(() => {
    const { configuration: { secret }, secrets } = this.options
    if (secret === undefined) return Effect.succeed([])
    const name = variableOf(secret)
    return Effect.map(secrets.get(secret), (values) => {
      if (values.length === 0) return `${name} is not set on the server, and nothing is sent without its signature`
      const keys: Array<Uint8Array> = []
      for (const value of values) {
        const key = StandardWebhook.keyOf(Redacted.value(value))
        if (Result.isFailure(key)) return `A value of ${name} ${key.failure}`
        keys.push(key.success)
      }
      return keys
    })
  })
}

const refused = (error: string): Sent => ({ answer: { _tag: "Refused", error }, body: nothing })

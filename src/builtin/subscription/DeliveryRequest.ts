/** One push as a request, and what comes back of it. The body is sent as it is signed. */
import { Clock, Duration, Effect, Redacted, Result } from "effect"
import * as EventText from "../../domain/EventText.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import type { Egress } from "../../egress/Egress.ts"
import type { Push } from "./DeliveryPush.ts"
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

/** What came of a request; where it was taken with the answer's body, or why that was not read. */
export interface Sent {
  readonly answer: DeliveryRetry.Answer
  readonly body: Uint8Array | string
}

const nothing = new Uint8Array()
const utf8 = new TextEncoder()

export class Requests {
  private readonly options: Options
  private readonly keys: ReadonlyArray<Uint8Array>

  private constructor(options: Options, keys: ReadonlyArray<Uint8Array>) {
    this.options = options
    this.keys = keys
  }

  /** Or why nothing may be sent, which a person has to mend. A secret does not change while the server runs. */
  static readonly make = (options: Options): Effect.Effect<Requests | string> =>
    Effect.suspend(() => {
      const { configuration: { secret, url }, egress, secrets } = options
      const wrong = egress.judge(url)
      if (wrong !== undefined) return Effect.succeed(wrong)
      if (secret === undefined) return Effect.succeed(new Requests(options, []))
      return Effect.map(secrets.get(secret), (values) => {
        const keys = keysOf(variableOf(secret), values)
        return typeof keys === "string" ? keys : new Requests(options, keys)
      })
    })

  send(push: Push): Effect.Effect<Sent> {
    const { configuration, egress } = this.options
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const body = utf8.encode(push.body)
      const headers = this.headers(push, body, now)
      const { url } = configuration
      return egress.send({ url, method: "POST", headers, body, timeout, maxResponseBytes: maxReply })
    }).pipe(
      Effect.flatMap(({ body, headers, status }) =>
        Effect.map(Clock.currentTimeMillis, (now) => ({ answer: DeliveryRetry.judge(status, headers, now), body }))),
      Effect.catchTags({
        EgressRefused: ({ reason }) => Effect.succeed(refused(reason)),
        EgressFailed: ({ reason, status }) => Effect.succeed(unread(reason, status))
      })
    )
  }

  private headers({ count, first, last }: Push, body: Uint8Array, now: number) {
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
      ...StandardWebhook.headers(id, now, body, this.keys)
    }
  }
}

const refused = (error: string): Sent => ({ answer: { _tag: "Refused", error }, body: nothing })

/** No complete answer: a success without its end is none, and would be pushed to again at once; a 410 says enough. */
const unread = (reason: string, status: number | undefined): Sent => {
  const answer = status === undefined ? undefined : DeliveryRetry.judge(status, {}, 0)
  return { answer: answer?._tag === "Refused" ? answer : { _tag: "Failed", error: reason }, body: nothing }
}

/** The keys that sign, or what is wrong with them: nothing is sent without its signature. */
const keysOf = (
  name: string,
  values: ReadonlyArray<Redacted.Redacted>
): ReadonlyArray<Uint8Array> | string => {
  if (values.length === 0) return `${name} is not set on the server, and nothing is sent without its signature`
  const keys: Array<Uint8Array> = []
  for (const value of values) {
    const key = StandardWebhook.keyOf(Redacted.value(value))
    if (Result.isFailure(key)) return `A value of ${name} ${key.failure}`
    keys.push(key.success)
  }
  return keys
}

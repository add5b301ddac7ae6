/**
 * Records what a request asks for, whichever door it came in by. An event goes straight to the log. What arrived and is
 * none is verified once the log says that its stream asks for that, and then offered again with the proof.
 */
import { Effect, Option, Result, Semaphore } from "effect"
import { hash } from "node:crypto"
import { nameProblem } from "../domain/Event.ts"
import type { JsonText, Proposed } from "../domain/EventText.ts"
import { offsetOf } from "../domain/EventText.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { IdempotencyConflict, Unauthorized, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Verification } from "../domain/Verification.ts"
import { Arrivals, Unverified } from "../log/Arrivals.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import * as Appending from "./Appending.ts"
import * as Received from "./Received.ts"
import type { Delivery } from "./verification/Delivery.ts"
import type { Provider } from "./verification/Provider.ts"
import { providers } from "./verification/Provider.ts"
import * as Verifier from "./verification/Verifier.ts"

/** How often a stream may ask for something else while one request is under way: it is configured by hand. */
const mostTries = 5
/** How many strangers the log is asked for at once: few, so that they hold up nobody who may read. */
const mostLooks = 2

export interface Reply {
  readonly status: number
  readonly text: JsonText
  /** Whether the provider waits for just this text, whatever the URL asks for. */
  readonly isAnswer?: boolean
}

/** Where what arrived comes from. */
export interface Origin {
  readonly isClient: boolean
  /** What it was verified for before it was read. */
  readonly verified?: Verification | undefined
  /** Of a stranger, who has shown no token: why nothing admits them but that. */
  readonly refusal?: Unauthorized | undefined
}

const client: Origin = { isClient: true }

export interface Recording {
  /** Records what is asked for; a client's unless something else is said. Events are taken from clients only. */
  readonly record: (
    asked: Appending.Asked,
    headers: Delivery["headers"],
    origin?: Origin
  ) => Effect.Effect<Reply, StreamError>
  /** Fails with why a delivery is refused by a stream that asks for this. */
  readonly verify: Verifier.Verifier["verify"]
  /** What a stream asks of what arrives there, as far as is in memory. */
  readonly hint: Arrivals["Service"]["hint"]
  /** The same, for strangers: the log is asked where nothing is in memory. */
  readonly askedAt: (path: StreamPath) => Effect.Effect<Verification | undefined, Unavailable>
}

export const make = Effect.gen(function*() {
  const store = yield* EventStore
  const arrivals = yield* Arrivals
  const directory = yield* Directory
  const { verify } = yield* Verifier.make
  const looks = yield* Semaphore.make(mostLooks)

  const take = Effect.fnUntraced(function*(
    { arrived, batch, request }: Appending.Asked,
    headers: Delivery["headers"],
    { isClient, refusal, verified: proven }: Origin
  ): Effect.fn.Return<Reply, StreamError> {
    const delivery = arrived?.body === undefined ? undefined : { headers, body: arrived.body }
    const required = refusal !== undefined
    let verified = proven
    for (let tries = 0; tries < mostTries; tries++) {
      const provider = verified === undefined ? undefined : providers[verified.provider]
      if (provider !== undefined && delivery === undefined) {
        return yield* new Unauthorized({ reason: onlyTheServer(provider) })
      }
      const key = provider === undefined || delivery === undefined ? undefined : keyOf(provider, delivery)
      const events = request.events.map((event) => signed(event, verified?.provider, key))
      const recorded = yield* Effect.result(arrivals.record({ ...request, events, arrival: { verified, required } }))
      const reply = (otherwise: Reply): Reply => {
        const answer = delivery === undefined ? undefined : provider?.answer?.(delivery)
        return answer === undefined ? otherwise : { status: 200, text: answer, isAnswer: true }
      }
      if (Result.isSuccess(recorded)) return reply(Appending.reply(recorded.success, batch))
      const error = recorded.failure
      if (error instanceof Unverified) {
        if (error.asked === undefined) return yield* (refusal ?? changing)
        if (delivery !== undefined) yield* verify(error.asked, delivery, { isClient })
        verified = error.asked
      } else if (error instanceof IdempotencyConflict && error.idempotencyKey === key) {
        // What tells one attempt from another, such as its time, is recorded with it: the key alone is compared.
        const { lines: [line] } = yield* store.read(request.path, { after: error.offset - 1, limit: 1 })
        if (line !== undefined && offsetOf(line) === error.offset) return reply({ status: 200, text: line })
      } else return yield* error
    }
    return yield* changing
  })

  const recording: Recording = {
    record: (asked, headers, origin = client) =>
      asked.arrived === undefined && origin.isClient
        ? Effect.map(store.append(asked.request), (appended) => Appending.reply(appended, asked.batch))
        : take(asked, headers, origin),
    verify,
    hint: arrivals.hint,
    // That nothing is asked for is not taken from memory: a provider that is refused may never try again.
    askedAt: (path) =>
      Effect.suspend(() => {
        const hint = arrivals.hint(path)
        if (hint !== undefined) return Effect.succeed(hint)
        const look = Effect.map(directory.describe(path), (head) => Option.getOrUndefined(head)?.core.verification)
        return looks.withPermit(look)
      })
  }
  return recording
})

const changing = new Unavailable({
  reason: "What the stream asks of what arrives was changed again and again meanwhile",
  retryAfterSeconds: 1
})

const onlyTheServer = ({ name }: Provider): string =>
  `On this stream only the server says that something was received: send the body itself, as ${name} signed it`

/**
 * The idempotency key that a delivery's id makes, in place of what the header Idempotency-Key says: nobody signs that
 * header, so what was seen once could be sent again under another key.
 */
const keyOf = (provider: Provider, delivery: Delivery): string | undefined => {
  const id = provider.id(delivery)
  if (id === undefined) return undefined
  const key = `webhook/${id}`
  return nameProblem(key) === undefined ? key : `webhook/sha256:${hash("sha256", id)}`
}

/** The event as it is recorded once it is verified, with the key of its delivery. */
const signed = (
  event: Proposed,
  provider: Verification["provider"] | undefined,
  key: string | undefined
): Proposed => {
  const told = provider === undefined || event.type !== Received.type ? event : Received.verifiedBy(event, provider)
  return key === undefined ? told : { ...told, idempotencyKey: key }
}

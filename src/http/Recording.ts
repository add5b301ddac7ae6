/**
 * Records what a request asks for, whichever door it came in by. An event goes straight to the log. What arrived and is
 * none is verified once the log says that its stream asks for that, and then offered again with the proof.
 */
import { Effect, Option, Result } from "effect"
import { hash } from "node:crypto"
import { nameProblem } from "../domain/Event.ts"
import type { JsonText } from "../domain/EventText.ts"
import { offsetOf } from "../domain/EventText.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { IdempotencyConflict, Unauthorized, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Verification } from "../domain/Verification.ts"
import type { Arrived } from "../log/Arrivals.ts"
import { Arrivals, Unverified } from "../log/Arrivals.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import * as Appending from "./Appending.ts"
import type { Delivery } from "./verification/Delivery.ts"
import type { Provider } from "./verification/Provider.ts"
import { providers } from "./verification/Provider.ts"
import * as Verifier from "./verification/Verifier.ts"

/** How often a stream may ask for something else while one request is under way: it is configured by hand. */
const mostTries = 5

export interface Reply {
  readonly status: number
  readonly text: JsonText
  /** Whether the provider waits for just this text, whatever the URL asks for. */
  readonly isAnswer?: boolean
}

/** Who has shown no token, and why that is refused where nothing else admits them. */
export interface Stranger {
  readonly refusal: Unauthorized
  /** What the stream was seen to ask for. */
  readonly asked: Verification
}

export interface Recording {
  /** Records what an authorised request asks for. */
  readonly record: (asked: Appending.Asked, headers: Delivery["headers"]) => Effect.Effect<Reply, StreamError>
  /** Records what a stranger's asks for, where it is no event and verifies. */
  readonly recordOf: (
    stranger: Stranger,
    asked: Appending.Asked,
    headers: Delivery["headers"]
  ) => Effect.Effect<Reply, StreamError>
  /** What a stream asks of what arrives there. */
  readonly askedAt: (path: StreamPath) => Effect.Effect<Verification | undefined, Unavailable>
}

export const make = Effect.gen(function*() {
  const store = yield* EventStore
  const arrivals = yield* Arrivals
  const directory = yield* Directory
  const verifier = yield* Verifier.make

  const take = Effect.fnUntraced(function*(
    { arrived, batch, request }: Appending.Asked,
    headers: Delivery["headers"],
    stranger: Stranger | undefined
  ): Effect.fn.Return<Reply, StreamError> {
    const delivery = arrived?.body === undefined ? undefined : { headers, body: arrived.body }
    const required = stranger !== undefined
    let asked = stranger?.asked
    let offered: Arrived = { ...request, arrival: { verified: undefined, required } }
    let key: string | undefined
    for (let tries = 0; tries < mostTries; tries++) {
      if (asked !== undefined) {
        if (delivery === undefined) return yield* new Unauthorized({ reason: onlyTheServer(providers[asked.provider]) })
        yield* verifier.verify(asked, delivery)
        key = keyOf(providers[asked.provider], delivery)
        offered = { ...request, events: keyed(request.events, key), arrival: { verified: asked, required } }
      }
      const recorded = yield* Effect.result(arrivals.record(offered))
      if (Result.isSuccess(recorded)) {
        const answer = asked === undefined || delivery === undefined
          ? undefined
          : providers[asked.provider].answer?.(delivery)
        return answer === undefined
          ? Appending.reply(recorded.success, batch)
          : { status: 200, text: answer, isAnswer: true }
      }
      const error = recorded.failure
      if (error instanceof Unverified) {
        if (error.asked === undefined) return yield* (stranger?.refusal ?? changing)
        asked = error.asked
      } else if (error instanceof IdempotencyConflict && error.idempotencyKey === key) {
        // What tells one attempt from another, such as its time, is recorded with it: the key alone is compared.
        const { lines: [line] } = yield* store.read(request.path, { after: error.offset - 1, limit: 1 })
        if (line !== undefined && offsetOf(line) === error.offset) return { status: 200, text: line }
      } else return yield* error
    }
    return yield* changing
  })

  const recording: Recording = {
    record: (asked, headers) =>
      asked.arrived === undefined
        ? Effect.map(store.append(asked.request), (appended) => Appending.reply(appended, asked.batch))
        : take(asked, headers, undefined),
    recordOf: (stranger, asked, headers) =>
      asked.arrived?.body === undefined ? Effect.fail(stranger.refusal) : take(asked, headers, stranger),
    askedAt: (path) =>
      Effect.map(directory.describe(path), (head) => Option.getOrUndefined(head)?.core.verification)
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

const keyed = (events: Arrived["events"], key: string | undefined): Arrived["events"] =>
  key === undefined ? events : events.map((event) => ({ ...event, idempotencyKey: key }))

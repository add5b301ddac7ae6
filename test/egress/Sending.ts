/** Requests of a test, and what comes of them. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Request } from "../../src/egress/Egress.ts"
import * as Egress from "../../src/egress/Egress.ts"
import * as Receiver from "./Receiver.ts"

export const post = (url: string, options: Partial<Request> = {}): Request => ({
  url,
  method: "POST",
  headers: { "content-type": "application/json" },
  body: "{}",
  timeout: "30 seconds",
  maxResponseBytes: 100_000,
  ...options
})

/** A receiver, and what sends to it. */
export const between = Effect.fnUntraced(function*(answer: Receiver.Answer) {
  const receiver = yield* Receiver.make(answer)
  const { send } = yield* Egress.make({ allow: [receiver.target] })
  return { receiver, send }
})

type Sending<R> = Effect.Effect<Egress.Response, Egress.EgressRefused | Egress.EgressFailed, R>

/** The failure of what must not be answered. */
export const failed = <R>(sending: Sending<R>) =>
  Effect.map(Effect.flip(sending), (error) => {
    if (error._tag !== "EgressFailed") return assert.fail(error.message)
    return error
  })

/** Its reason. */
export const failure = <R>(sending: Sending<R>) => Effect.map(failed(sending), ({ reason }) => reason)

export const text = (response: Egress.Response): string => new TextDecoder().decode(response.body)

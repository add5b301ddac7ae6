/**
 * The one way out: whatever sends to a URL that an event names sends through here. Follows no redirect and retries
 * nothing. Known limits: the time spent waiting for a turn is not part of a request's timeout; 64 receivers with an
 * origin each that hang on all requests they may have delay the others, by at most one timeout; no proxy is
 * used; TLS sessions are not resumed.
 */
import { Context, Data, Duration, Effect, Exit, Layer } from "effect"
import * as Address from "./Address.ts"
import * as AnswerBody from "./AnswerBody.ts"
import * as Connections from "./Connections.ts"
import * as Connector from "./Connector.ts"
import * as Destination from "./Destination.ts"
import * as Exchange from "./Exchange.ts"
import type { Request, Response } from "./Exchange.ts"
import * as Names from "./Names.ts"
import * as Turns from "./Turns.ts"

export type { Request, Response }

/**
 * Requests under way; more wait for their turn. To one origin: enough for 64 subscriptions that push at the same time,
 * and no flood for a receiver that has just come back. In all: 63 origins that hang leave places for the others, while
 * each request costs a socket and some 20 kB, and few systems allow a process fewer files than this.
 */
const bounds: Turns.Bounds = { perOrigin: 64, whole: 4_096 }

/** Of answers that arrive, in bytes: a quarter of what a small machine has; answers to webhooks are mostly empty. */
const answerBytes = 268_435_456

/** It is not sent, and would not be sent if it were tried again: the URL, a header, or an address behind its name. */
export class EgressRefused extends Data.TaggedError("EgressRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** No complete answer: no connection, reset, timeout, too large. Trying again may help; it may have been received. */
export class EgressFailed extends Data.TaggedError("EgressFailed")<{
  readonly reason: string
  /** Of the answer that had begun, where that says something: a success that is not complete is none. */
  readonly status?: number | undefined
}> {
  override get message() {
    return this.reason
  }
}

/** Targets that may be loopback or private, as `host:port`. */
export interface Options {
  readonly allow: ReadonlyArray<string>
}

type Sending = Effect.Effect<Response, EgressRefused | EgressFailed>

export class Egress extends Context.Service<Egress, {
  /** Sends once. Interrupting it closes its connection. */
  readonly send: (request: Request) => Sending
  /** Why a URL will never be sent to, judged without resolving its name, or undefined. */
  readonly judge: (url: string) => string | undefined
}>()("millstream/egress/Egress") {
  /** On the network as it is. */
  static readonly layer = (options: Options): Layer.Layer<Egress> => Layer.effect(Egress, make(options))
}

const concluded = (ending: Exchange.Ending): Sending => {
  switch (ending._tag) {
    case "answered":
      return Effect.succeed(ending.response)
    case "refused":
      return Effect.fail(new EgressRefused({ reason: ending.reason }))
    case "failed":
      return Effect.fail(new EgressFailed({ reason: ending.reason, status: ending.status }))
  }
}

/**
 * What `begin` begins, stopped by what it returns when the time is up, which tells the status of an answer that has
 * begun. A race would take two more fibers.
 */
const within = (
  timeout: Duration.Input,
  begin: (resume: (concluded: Sending) => void) => () => number | undefined
): Sending =>
  Effect.contextWith((context) =>
    Effect.callback((resume) => {
      const alarm = Effect.runForkWith(context)(Effect.sleep(timeout))
      const stop = begin((concluded) => {
        alarm.interruptUnsafe()
        resume(concluded)
      })
      alarm.addObserver((exit) => {
        if (Exit.isFailure(exit)) return
        const reason = `No complete answer within ${Duration.format(Duration.fromInputUnsafe(timeout))}`
        resume(Effect.fail(new EgressFailed({ reason, status: stop() })))
      })
      return Effect.sync(() => {
        alarm.interruptUnsafe()
        stop()
      })
    })
  )

/** With names, addresses and authorities as the system has them, except what is given. */
export const make = Effect.fnUntraced(function*(options: Options, world: Partial<Connector.World> = {}) {
  const allowed = Destination.allowed(options.allow)
  const connections = Connections.make({
    resolve: Names.make(),
    reach: Address.reach,
    authority: undefined,
    ...world
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.discardAll(new Error("The service stops"))))
  const turns = Turns.make(bounds)
  const room = AnswerBody.room(answerBytes)

  const send = (request: Request): Sending =>
    Effect.suspend(() => {
      const destination = Destination.judge(request.url, allowed)
      if (typeof destination === "string") return Effect.fail(new EgressRefused({ reason: destination }))
      const headers = Exchange.headersOf(request.headers)
      if (typeof headers === "string") return Effect.fail(new EgressRefused({ reason: headers }))
      const sent = { ...request, headers, path: destination.path, room }
      const exchange = within(request.timeout, (resume) => {
        const connection = connections.take(destination)
        return Exchange.begin(connections, connection, sent, (ending) => resume(concluded(ending)))
      })
      return turns.take(destination.origin)(exchange)
    })

  const judge = (url: string): string | undefined => {
    const judged = Destination.judge(url, allowed)
    return typeof judged === "string" ? judged : undefined
  }
  return Egress.of({ send, judge })
})

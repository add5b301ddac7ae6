/**
 * The one way out: whatever sends to a URL that an event names sends through here. Follows no redirect and retries
 * nothing. Known limits: the time spent waiting for a turn is not part of a request's timeout; turns are handed out in
 * order, whoever asks, so that very many requests to receivers that hang delay the others; no proxy is used; TLS
 * sessions are not resumed.
 */
import { Context, Data, Duration, Effect, Exit, Layer, Semaphore } from "effect"
import * as Address from "./Address.ts"
import * as Connections from "./Connections.ts"
import * as Connector from "./Connector.ts"
import * as Destination from "./Destination.ts"
import * as Exchange from "./Exchange.ts"

/** Requests under way at a time, each with a socket and an answer in memory; more wait for their turn. */
const maxUnderWay = 1_024

export interface Request {
  readonly url: string
  readonly method: "GET" | "POST"
  /** Those of the connection and `host` are refused; `accept-encoding` is ours. */
  readonly headers: { readonly [name: string]: string }
  readonly body: string | Uint8Array | undefined
  /** For the whole exchange, the answer's body included. */
  readonly timeout: Duration.Input
  /** Bound of the answer's body after decoding. */
  readonly maxResponseBytes: number
}

export interface Response {
  readonly status: number
  /** In lower case. */
  readonly headers: { readonly [name: string]: string }
  readonly body: Uint8Array
}

/** It is not sent, and would not be sent if it were tried again: the URL, a header, or an address behind its name. */
export class EgressRefused extends Data.TaggedError("EgressRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** No complete answer: no connection, reset, timeout, too large. Trying again may help; it may have been received. */
export class EgressFailed extends Data.TaggedError("EgressFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** Targets that may be loopback or private, as `host:port`. */
export interface Options {
  readonly allow: ReadonlyArray<string>
}

/** Why a URL will never be sent to, judged without resolving its name, or undefined. */
export const judgeUrl = (url: string, allow: ReadonlyArray<string>): string | undefined => {
  const judged = Destination.judge(url, Destination.allowed(allow))
  return typeof judged === "string" ? judged : undefined
}

export class Egress extends Context.Service<Egress, {
  /** Sends once. Interrupting it closes its connection. */
  readonly send: (request: Request) => Effect.Effect<Response, EgressRefused | EgressFailed>
}>()("millstream/egress/Egress") {
  /** On the network as it is. */
  static readonly layer = (options: Options): Layer.Layer<Egress> => Layer.effect(Egress, make(options))
}

const concluded = (ending: Exchange.Ending): Effect.Effect<Response, EgressRefused | EgressFailed> => {
  switch (ending._tag) {
    case "answered":
      return Effect.succeed(ending.answer)
    case "refused":
      return Effect.fail(new EgressRefused({ reason: ending.reason }))
    case "failed":
      return Effect.fail(new EgressFailed({ reason: ending.reason }))
  }
}

type Concluded = Effect.Effect<Response, EgressRefused | EgressFailed>

/** What `begin` begins, stopped by what it returns when the time is up. A race would take two more fibers. */
const within = (timeout: Duration.Input, begin: (resume: (concluded: Concluded) => void) => () => void): Concluded =>
  Effect.contextWith((context) =>
    Effect.callback((resume) => {
      const alarm = Effect.runForkWith(context)(Effect.sleep(timeout))
      const stop = begin((concluded) => {
        alarm.interruptUnsafe()
        resume(concluded)
      })
      alarm.addObserver((exit) => {
        if (Exit.isFailure(exit)) return
        stop()
        const reason = `No complete answer within ${Duration.format(Duration.fromInputUnsafe(timeout))}`
        resume(Effect.fail(new EgressFailed({ reason })))
      })
      return Effect.sync(() => {
        alarm.interruptUnsafe()
        stop()
      })
    })
  )

/** With names and addresses as the system has them, except what is given. */
export const make = Effect.fnUntraced(function*(options: Options, world: Partial<Connector.World> = {}) {
  const allowed = Destination.allowed(options.allow)
  const connections = Connections.make({ resolve: Connector.resolveBySystem, reach: Address.reach, ...world })
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.discardAll(new Error("The service stops"))))
  const turns = yield* Semaphore.make(maxUnderWay)

  const send = (request: Request): Effect.Effect<Response, EgressRefused | EgressFailed> =>
    Effect.suspend(() => {
      const destination = Destination.judge(request.url, allowed)
      if (typeof destination === "string") return Effect.fail(new EgressRefused({ reason: destination }))
      const headers = Exchange.headersOf(request.headers)
      if (typeof headers === "string") return Effect.fail(new EgressRefused({ reason: headers }))
      const { body, maxResponseBytes, method, timeout } = request
      const sent = { path: destination.path, method, headers, body, maxResponseBytes }
      return turns.withPermit(within(timeout, (resume) => {
        const connection = connections.take(destination)
        return Exchange.begin(connections, connection, sent, (ending) => resume(concluded(ending)))
      }))
    })
  return Egress.of({ send })
})

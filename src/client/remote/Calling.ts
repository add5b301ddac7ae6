/**
 * Calls of a runtime elsewhere. What waiting does not mend is told in the log, once as long as it stays the same,
 * since the runtime tries again for ever.
 */
import { Effect, Result } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import { Unavailable } from "../../domain/StreamError.ts"
import type { Fenced, StreamError } from "../../domain/StreamError.ts"
import type { Connection, Query } from "../Connection.ts"
import * as Problem from "../Problem.ts"

export class Calling {
  /** The route of a processor. */
  static pathOf(processor: string, verb: string): string {
    return `/api/processors/${encodeURIComponent(processor)}/${verb}`
  }

  private readonly connection: Connection
  private told = ""

  constructor(connection: Connection) {
    this.connection = connection
  }

  /** Sends JSON to a route of a processor, and returns JSON. */
  post(processor: string, verb: string, text: JsonText): Effect.Effect<JsonText, StreamError> {
    const body = { text, contentType: "application/json" }
    return this.ask({ method: "POST", path: Calling.pathOf(processor, verb), body })
  }

  get(path: string, query: Query): Effect.Effect<JsonText, StreamError> {
    return this.ask({ method: "GET", path, query })
  }

  private ask(request: Omit<Parameters<Connection["send"]>[0], "accept">): Effect.Effect<JsonText, StreamError> {
    return Effect.gen({ self: this }, function*() {
      const answer = yield* this.connection.send({ ...request, accept: "application/json" })
      const text = yield* answer.text
      // The text is kept, since a value would lose the spelling of numbers; but it has to be JSON.
      yield* Effect.fromResult(
        Result.mapError(
          Result.try((): unknown => JSON.parse(text)),
          (cause) => Problem.unintelligible(answer.url, String(cause))
        )
      )
      this.told = ""
      return text
    }).pipe(Effect.tapError((error) => this.tell(error)))
  }

  private tell(error: StreamError): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Where the server is away each call says so in its own words.
      const told = error._tag === "Unavailable" ? error._tag : error.message
      if (isOrdinary(error) || told === this.told) return Effect.void
      this.told = told
      return Effect.logWarning(`Processors that run here wait for ${this.connection.baseUrl}: ${error.message}`)
    })
  }
}

/** What a runtime meets and answers by itself. */
const isOrdinary = ({ _tag }: StreamError): boolean =>
  _tag === "Fenced" || _tag === "IdempotencyConflict" || _tag === "OffsetMismatch" || _tag === "InvalidEvent" ||
  _tag === "StreamPaused" || _tag === "PayloadTooLarge"

/** The error as a service of the log may fail with it: what is not of its kind is tried again. */
export const asUnavailable = (error: StreamError): Unavailable =>
  error._tag === "Unavailable" ? error : new Unavailable({ reason: error.message, retryAfterSeconds: 1 })

export const asFenced = (error: StreamError): Fenced | Unavailable =>
  error._tag === "Fenced" ? error : asUnavailable(error)

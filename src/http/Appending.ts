/**
 * What a request to append asks for, and what it is answered: pure, for the two doors that appends come in by. It
 * decodes by hand what `StreamsApi` describes, and a test holds the two together.
 */
import { Result } from "effect"
import type { IncomingMessage } from "node:http"
import * as Control from "../domain/ControlEvent.ts"
import * as Judgement from "../domain/Judgement.ts"
import type { StreamError } from "../domain/StreamError.ts"
import { InvalidEvent, InvalidPath, Unauthorized } from "../domain/StreamError.ts"
import type { Appended, AppendRequest } from "../log/EventStore.ts"
import * as Body from "./Body.ts"
import * as Received from "./Received.ts"
import * as StreamUrl from "./StreamUrl.ts"

export interface Asked {
  readonly request: AppendRequest
  /** Whether the reply is an array. */
  readonly batch: boolean
  /** Where the body is no event, or an event that claims that something arrived. */
  readonly arrived?: {
    /** What somebody may have signed, without its content coding; none where it is only claimed. */
    readonly body: Uint8Array | undefined
  } | undefined
}

export interface Terms {
  /** Headers that are not recorded, in lower case, beside the credentials. */
  readonly redactedHeaders: ReadonlySet<string>
}

/** The stream of an append's URL, behind `prefix`. */
export const target = (url: string, prefix: string): Result.Result<StreamUrl.StreamUrl, InvalidPath> =>
  Result.flatMap(StreamUrl.parse(url, prefix), (parsed) =>
    parsed.within
      ? Result.fail(new InvalidPath({ path: `${parsed.path}/**`, reason: "/** can be read, not appended to" }))
      : Result.succeed(parsed))

/** Who may only deliver: with the token of `/in/`, where nothing is an event; or a stranger, whose body must verify. */
export type Deliverer = "ingest" | "stranger"

/** What a client, who has all rights, wants to append. The body is as it arrived. */
export const decode = (
  incoming: IncomingMessage,
  url: StreamUrl.StreamUrl,
  body: Buffer,
  terms: Terms
): Result.Result<Asked, StreamError> =>
  judge(url, Body.decode(new Arrival(incoming, body, false), terms.redactedHeaders))

/**
 * What who may only deliver wants to append: never an event, nor a reserved type. The body is without its content
 * coding, since what is to be verified has been by now.
 */
export const decodeDelivery = (
  incoming: IncomingMessage,
  url: StreamUrl.StreamUrl,
  body: Uint8Array,
  deliverer: Deliverer,
  terms: Terms
): Result.Result<Asked, StreamError> => {
  const arrival = new Arrival(incoming, body, deliverer === "ingest")
  if (arrival.as !== undefined && Control.isReserved(arrival.as)) {
    return Result.fail(new InvalidEvent({ field: "as", reason: `${JSON.stringify(arrival.as)} has a reserved prefix` }))
  }
  const decoded = Body.readPlain(arrival, body, terms.redactedHeaders)
  return Result.isSuccess(decoded) && decoded.success.arrived === undefined
    ? Result.fail(new Unauthorized({ reason: needsToken }))
    : judge(url, decoded)
}

const needsToken = "It is signed, but its body is an event: send it to /in/<MILLSTREAM_INGEST_TOKEN>/…, where " +
  "nothing is an event, or with the token, as Authorization: Bearer <MILLSTREAM_TOKEN>"

const judge = (
  url: StreamUrl.StreamUrl,
  decoded: Result.Result<Body.Decoded, Body.Refusal>
): Result.Result<Asked, StreamError> => {
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const { arrived, batch, events, made } = decoded.success
  let isClaim = false
  // What the server made of a body that is no event is not a client's claim.
  for (let i = 0; made !== true && i < events.length; i++) {
    const event = events[i]
    const wrong = event === undefined ? undefined : Judgement.judge(event)
    if (wrong !== undefined) return Result.fail(batch ? wrong.at(i) : wrong)
    if (event?.type === Received.type) isClaim = true
  }
  const request = { path: url.path, events }
  if (isClaim) return Result.succeed({ request, batch, arrived: { body: undefined } })
  return Result.succeed(arrived === undefined ? { request, batch } : { request, batch, arrived: { body: arrived } })
}

/** The answer's text and status. */
export const reply = ({ known, lines }: Appended, batch: boolean) => ({
  text: batch ? `[${lines.join(",")}]` : lines[0] ?? "null",
  status: known ? 200 : 201
})

/** A request as its body's decoder sees it. Query and headers are made only for bodies that are no event. */
class Arrival implements Body.Arrival {
  readonly body: Uint8Array
  readonly ingestOnly: boolean
  private readonly incoming: IncomingMessage

  constructor(incoming: IncomingMessage, body: Uint8Array, ingestOnly: boolean) {
    this.incoming = incoming
    this.body = body
    this.ingestOnly = ingestOnly
  }

  get method(): string {
    return this.incoming.method ?? "POST"
  }

  get contentType(): string | undefined {
    return this.incoming.headers["content-type"]
  }

  get contentEncoding(): string | undefined {
    return this.incoming.headers["content-encoding"]
  }

  get idempotencyKey(): string | ReadonlyArray<string> | undefined {
    return this.incoming.headers["idempotency-key"] === undefined ? undefined : this.headers["idempotency-key"]
  }

  get as(): string | undefined {
    return this.parameters?.get("as") ?? undefined
  }

  get query(): Received.Named {
    const values: { [name: string]: string | ReadonlyArray<string> } = Object.create(null)
    for (const name of new Set(this.parameters?.keys())) values[name] = oneOrAll(this.parameters?.getAll(name) ?? [])
    return values
  }

  /** By lower-case name; several values where a name was repeated. */
  get headers(): Received.Named {
    const headers: { [name: string]: string | ReadonlyArray<string> } = Object.create(null)
    for (const [name, values] of Object.entries(this.incoming.headersDistinct)) headers[name] = oneOrAll(values ?? [])
    return headers
  }

  private get parameters(): URLSearchParams | undefined {
    return parametersOf(this.incoming.url ?? "")
  }
}

/** The query of a URL, where it has one. */
export const parametersOf = (url: string): URLSearchParams | undefined => {
  const start = url.indexOf("?")
  return start < 0 ? undefined : new URLSearchParams(url.slice(start + 1))
}

const oneOrAll = (values: ReadonlyArray<string>): string | ReadonlyArray<string> => {
  const [first] = values
  return values.length === 1 && first !== undefined ? first : values
}

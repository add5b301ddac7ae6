/**
 * What owners of processors elsewhere send: JSON, whatever its content type. States and payloads stay the very text
 * that was sent. A field that is not known is refused, naming the nearest.
 */
import { Result, Schema, SchemaIssue } from "effect"
import type { IncomingMessage } from "node:http"
import { maxBatch } from "../domain/Bounds.ts"
import { CommitRequest } from "../domain/Claim.ts"
import * as Json from "../domain/JsonText.ts"
import { nearest } from "../domain/Nearest.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { InvalidEvent, PayloadTooLarge } from "../domain/StreamError.ts"
import type { Committing } from "../processor/Commits.ts"
import type { Emit } from "../processor/Stamping.ts"
import * as Batch from "./Batch.ts"
import * as ContentEncoding from "./ContentEncoding.ts"
import * as EventShape from "./EventShape.ts"
import * as Reading from "./Reading.ts"

export type Refusal = InvalidRequest | InvalidEvent | PayloadTooLarge

/** A request as its schema has it, and the JSON that it was parsed from. */
export interface Sent<A> {
  readonly request: A
  readonly source: string
}

type RequestSchema = Schema.ConstraintDecoder<unknown> & { readonly fields: Schema.Struct.Fields }

const locate = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes the bodies of one schema. */
export const decoder = <S extends RequestSchema>(
  schema: S
): (incoming: IncomingMessage, body: Uint8Array) => Result.Result<Sent<S["Type"]>, Refusal> => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(schema))
  const names = Object.keys(schema.fields)
  return (incoming, body) => {
    const bytes = ContentEncoding.decode(body, incoming.headers["content-encoding"])
    if (Result.isFailure(bytes)) return Result.fail(bytes.failure)
    const read = Reading.read(bytes.success, "application/json")
    if (Result.isFailure(read)) return Result.fail(read.failure)
    const reading = read.success
    if (reading._tag !== "Value") return refuse(reading._tag === "Other" ? reading.reason : "the body is not JSON")
    const { source, value } = reading
    if (!EventShape.isObject(value)) return refuse("The body is not a JSON object")
    const strange = Object.keys(value).find((name) => !names.includes(name))
    if (strange !== undefined) {
      return refuse(`\`${strange.slice(0, longestShown)}\` is no field of this request. Did you mean ` +
        `\`${nearest(strange, names)}\`? It takes ${names.map((each) => `\`${each}\``).join(", ")}`)
    }
    return Result.match(decode(value), {
      onSuccess: (request) => Result.succeed({ request, source }),
      onFailure: ({ issue, message }) => {
        const [first] = locate(issue).issues
        const at = first?.path?.map(String).join(".") ?? ""
        return refuse(first === undefined ? message : `${at === "" ? "" : `\`${at}\`: `}${first.message}`)
      }
    })
  }
}

/** Longest part of what a caller sent that is shown in a refusal, in characters. */
const longestShown = 64

const refuse = (reason: string): Result.Result<never, InvalidRequest> =>
  Result.fail(new InvalidRequest({ reason: reason.replaceAll(/\s+/g, " ") }))

/** A commit of a processor, with its texts. */
export const commit = (
  processor: string,
  { request, source }: Sent<CommitRequest>
): Result.Result<Committing, Refusal> => {
  const { aside = false, cursors = [], emit = [], epoch, keep = false, life, ...rest } = request
  if (emit.length > maxBatch) return Result.fail(Batch.tooMany())
  const [state, emitted = "[]", moved = "[]", fibers] = Json.members(source, ["state", "emit", "cursors", "fibers"])
  const emits: Array<Emit> = []
  const sources = Json.elements(emitted)
  for (const [index, { cause, streamPath }] of emit.entries()) {
    const text = sources[index] ?? "{}"
    if (Batch.isTooLarge(text)) return Result.fail(Batch.tooLarge())
    const event = EventShape.propose(emit[index] ?? {}, text)
    if (Result.isFailure(event)) return Result.fail(event.failure.at(index))
    emits.push({ event: event.success, path: streamPath, cause })
  }
  const values = Json.elements(moved).map((text) => Json.members(text, ["value"])[0] ?? "null")
  return Result.succeed({
    lease: { processor, epoch: BigInt(epoch) },
    path: rest.streamPath,
    offset: rest.offset,
    state,
    emits,
    cursors: cursors.map(({ key, kind }, i) => ({ kind, key, value: values[i] ?? "null" })),
    parked: rest.parked,
    aside,
    life: life === undefined ? undefined : BigInt(life),
    revision: rest.revision,
    version: rest.version,
    fibers,
    keep
  })
}

/**
 * `EventStore` and `Directory` of a server, as far as a runtime elsewhere needs them: commits, guarded by the lease,
 * and pages of streams. Programs append and tail with `Streams`.
 */
import { Effect, Option, Schema } from "effect"
import * as Claim from "../../domain/Claim.ts"
import type { JsonText } from "../../domain/EventText.ts"
import * as Json from "../../domain/JsonText.ts"
import { InvalidEvent } from "../../domain/StreamError.ts"
import type { AppendError, Fenced, StreamError } from "../../domain/StreamError.ts"
import type { FiberCursor } from "../../log/Checkpoints.ts"
import { initial } from "../../log/CoreState.ts"
import type { Head } from "../../log/CoreState.ts"
import { Directory } from "../../log/Directory.ts"
import { EventStore } from "../../log/EventStore.ts"
import type { Appended, AppendRequest, Commit } from "../../log/EventStore.ts"
import type { Calling } from "./Calling.ts"
import { asUnavailable } from "./Calling.ts"

const { events: _, ...pageFields } = Claim.Page.fields
const decodePage = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(Schema.Struct(pageFields))))

const never = Effect.die(new Error("Only the server itself does this"))

/** The page after an offset, as it is on the wire. */
const pageOf = Effect.fnUntraced(function*(text: JsonText) {
  const { head, last, life, paused } = yield* Effect.orDie(decodePage(text))
  const [lines = "[]"] = Json.members(text, ["events"])
  return { head, last, life: life === null ? undefined : BigInt(life), lines: Json.elements(lines), paused }
})

/** Offset of the event that a commit without a checkpoint answers. */
const answered = ({ appends }: Commit): number => appends[0]?.cause?.offset ?? 0

const emitted = ({ cause, events, path }: AppendRequest): ReadonlyArray<JsonText> =>
  events.map(({ idempotencyKey, metadata, offset, payload, type }) =>
    Json.object({
      streamPath: JSON.stringify(path),
      type: JSON.stringify(type),
      payload,
      metadata,
      idempotencyKey: JSON.stringify(idempotencyKey),
      offset: JSON.stringify(offset),
      cause: JSON.stringify(cause?.offset)
    })
  )

const cursor = ({ key, kind, value }: FiberCursor): JsonText =>
  Json.object({ kind: JSON.stringify(kind), key: JSON.stringify(key), value })

/** A commit as it is on the wire. */
const encode = (commit: Commit): JsonText => {
  const { appends, checkpoint, cursors, lease } = commit
  const life = checkpoint?.life ?? cursors?.life
  return Json.object({
    epoch: String(lease.epoch),
    // Where nothing is emitted the life alone names the instance.
    streamPath: JSON.stringify(appends[0]?.cause?.streamPath),
    offset: String(checkpoint?.offset ?? answered(commit)),
    life: life === undefined ? undefined : JSON.stringify(String(life)),
    revision: JSON.stringify(checkpoint?.revision),
    version: JSON.stringify(checkpoint?.version),
    state: checkpoint?.state,
    fibers: checkpoint?.fibers,
    parked: JSON.stringify(checkpoint?.parked),
    keep: JSON.stringify(checkpoint?.keep),
    aside: JSON.stringify(checkpoint === undefined),
    emit: `[${appends.flatMap(emitted).join(",")}]`,
    cursors: cursors && `[${cursors.values.map(cursor).join(",")}]`
  })
}

/** What was recorded for each append, from the events in their order. */
const appendedOf = (appends: ReadonlyArray<AppendRequest>, text: JsonText): ReadonlyArray<Appended> => {
  const [events = "[]", known] = Json.members(text, ["events", "known"])
  const lines = Json.elements(events)
  let next = 0
  return appends.map(({ events }) => {
    const from = next
    next += events.length
    return { lines: lines.slice(from, next), known: known === "true" }
  })
}

const asCommitError = (error: StreamError): AppendError | Fenced => {
  switch (error._tag) {
    case "Fenced":
    case "IdempotencyConflict":
    case "OffsetMismatch":
    case "InvalidEvent":
    case "StreamPaused":
    case "Unavailable":
      return error
    // The server will not take it, however often it is sent.
    case "InvalidRequest":
    case "InvalidPath":
    case "PayloadTooLarge":
      return new InvalidEvent({ reason: error.message })
    default:
      return asUnavailable(error)
  }
}

export const make = (calling: Calling): EventStore["Service"] =>
  EventStore.of({
    commit: (commit) =>
      calling.post(commit.lease.processor, "commit", encode(commit)).pipe(
        Effect.map((text) => appendedOf(commit.appends, text)),
        Effect.mapError(asCommitError)
      ),
    read: (path, { after, before, limit, types }) => {
      // A comma in a name leaves the choice to the reader.
      const wanted = types?.some((type) => type.includes(",")) === true ? undefined : types?.join(",")
      return calling.get(`/api/page${path}`, { after, before, limit, types: wanted }).pipe(
        Effect.flatMap(pageOf),
        Effect.mapError(asUnavailable)
      )
    },
    recent: () => undefined,
    append: () => never,
    readWithin: () => never,
    remove: () => never
  })

export const directory = (calling: Calling): Directory["Service"] =>
  Directory.of({
    describe: (path) =>
      calling.get(`/api/page${path}`, { limit: 0 }).pipe(
        Effect.flatMap(pageOf),
        Effect.map(({ head, life, paused }) =>
          life === undefined ? Option.none() : Option.some<Head>({
            id: life,
            offset: head,
            exists: true,
            createdAt: 0,
            updatedAt: 0,
            core: {
              ...initial,
              paused: paused && { reason: paused.reason, pausedAt: paused.pausedAt.epochMilliseconds }
            }
          })
        ),
        Effect.mapError(asUnavailable)
      ),
    children: () => never,
    check: never,
    horizonAge: never
  })

/**
 * Appends a file of events, one a line, in batches as fast as the stream's circuit breaker allows. Each line has an
 * idempotency key made of the file's name and the line's number, so the same command goes on where an earlier run
 * ended; the name is a hash of the first line unless `--name` gives one. A line that has a key of its own keeps it.
 */
import { Clock, Effect, Result, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import * as Connection from "../client/Connection.ts"
import { persistently } from "../client/Retry.ts"
import { maxRequestBytes } from "../domain/Bounds.ts"
import { EventInput } from "../domain/Event.ts"
import type { StreamError } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { StreamState } from "../domain/StreamState.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Pace from "./Pace.ts"
import * as Progress from "./Progress.ts"

/** Bytes of a batch: half of what the server takes in one request, so that an event of 1 MiB still fits on top. */
const maxBatchBytes = maxRequestBytes / 2

interface Line {
  readonly number: number
  readonly text: string
}

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(
  Schema.Struct({ type: EventInput.fields.type, idempotencyKey: EventInput.fields.idempotencyKey })
))

const keyed = (name: string, { number, text }: Line): Result.Result<Line, Failure.Failure> => {
  const parsed = decode(text)
  if (Result.isFailure(parsed)) {
    const why = parsed.failure.message.replaceAll(/\s+/g, " ")
    return Result.fail(Failure.failed(`Line ${number} is no event: ${why}. Correct it and run the same command again`))
  }
  if (parsed.success.idempotencyKey !== undefined) return Result.succeed({ number, text })
  const key = JSON.stringify(`ndjson/${name}/${number}`)
  return Result.succeed({ number, text: `{"idempotencyKey":${key},${text.slice(text.indexOf("{") + 1)}` })
}

/** The name of a file that has none: what it begins with. */
const fingerprint = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16)

export interface Options {
  readonly connection: Connection.Connection
  readonly path: StreamPath
  readonly bytes: Stream.Stream<Uint8Array, Failure.Failure>
  /** Of the whole file, where it is known. */
  readonly size: number | undefined
  readonly name: string | undefined
}

export const append = Effect.fnUntraced(function*({ bytes, connection, name, path, size }: Options) {
  const progress = yield* Progress.make
  const retried = persistently(connection.attempts)
  const started = yield* Clock.currentTimeMillis
  let file = name
  let pace = Pace.first
  let isPaced = false
  let number = 0
  let recorded = 0
  let known = 0
  let read = 0
  let batch: Array<Line> = []
  let batchBytes = 0

  const learn = Effect.gen(function*() {
    const state = yield* retried(
      Connection.json(connection, { method: "GET", path: `/api/state${path}` }, StreamState)
    ).pipe(
      Effect.catchTag("NotFound", () => Effect.void),
      Effect.mapError(Failure.fromStreamError)
    )
    if (state === undefined) return
    isPaced = true
    pace = Pace.of(state.circuitBreaker)
    if (pace.perSecond === undefined) return
    yield* Output.note(
      `The circuit breaker of ${path} allows ${Math.floor(pace.perSecond)} events/s; to lift it for a while: ` +
        `millstream append ${path} stream/circuit-breaker-configured --json '{"enabled":false}'\n`
    )
  })

  const stopped = (lines: ReadonlyArray<Line>) => (error: StreamError): Failure.Failure => {
    const first = lines[0]?.number ?? 1
    const done = first === 1
      ? "Nothing was recorded"
      : `${recorded + known} events are recorded, up to line ${first - 1}`
    switch (error._tag) {
      case "StreamPaused":
        return Failure.failed(`${Failure.fromStreamError(error).message}, then this command again. ${done}`)
      case "InvalidEvent":
        return Failure.failed(
          `Line ${lines[error.index ?? 0]?.number}: ${error.reason}. ${done}. Correct it and run the same command again`
        )
      case "IdempotencyConflict":
        return Failure.failed(
          `Line ${lines[0]?.number} was recorded with another content (offset ${error.offset}). ${done}. ` +
            "If this is another file, give it a name of its own with --name"
        )
      default:
        return Failure.failed(`${Failure.fromStreamError(error).message}. ${done}; the same command goes on there`)
    }
  }

  /** Sends lines as one batch; one that is known in part is sent in halves, down to where the new lines begin. */
  const send = (lines: ReadonlyArray<Line>): Effect.Effect<number, Failure.Failure> => {
    const body = { text: `[${lines.map(({ text }) => text).join(",")}]`, contentType: "application/json" }
    const drained = (answer: Connection.Answer) => Effect.as(answer.text, answer.status)
    return retried(
      Effect.flatMap(
        connection.send({ method: "POST", path: `/api/streams${path}`, accept: "application/json", body }),
        drained
      )
    ).pipe(
      Effect.map((status) => {
        if (status === 200) known += lines.length
        else recorded += lines.length
        return status === 200 ? 0 : lines.length
      }),
      Effect.catch((error) => {
        if (error._tag !== "IdempotencyConflict" || lines.length === 1) return Effect.fail(stopped(lines)(error))
        const half = Math.ceil(lines.length / 2)
        return Effect.flatMap(send(lines.slice(0, half)), (left) =>
          Effect.map(send(lines.slice(half)), (right) => left + right))
      })
    )
  }

  const told = (elapsed: number) => {
    const rate = Math.round(recorded / Math.max(elapsed, 1) * 1_000)
    const part = size === undefined || size === 0 ? "" : ` · ${Math.min(100, Math.floor(read / size * 100))} %`
    return `${recorded} events recorded${known === 0 ? "" : `, ${known} known already`} · ${rate}/s${part}`
  }

  const flush = Effect.gen(function*() {
    if (batch.length === 0) return
    const lines = batch
    batch = []
    batchBytes = 0
    const begun = yield* Clock.currentTimeMillis
    // What was known already took nothing from the bucket and is not waited for.
    const counted = yield* send(lines)
    if (!isPaced) yield* learn
    const now = yield* Clock.currentTimeMillis
    yield* progress.update(() => told(now - started))
    yield* Effect.sleep(Math.max(0, Pace.interval(pace, counted) - (now - begun)))
  })

  yield* learn
  yield* bytes.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((text) =>
      Effect.gen(function*() {
        number += 1
        read += Buffer.byteLength(text) + 1
        if (text.trim() === "") return
        file ??= fingerprint(text)
        const line = keyed(file, { number, text })
        // What comes before a wrong line is recorded all the same.
        if (Result.isFailure(line)) yield* flush
        batch.push(yield* Effect.fromResult(line))
        batchBytes += Buffer.byteLength(text)
        if (batch.length >= pace.batch || batchBytes >= maxBatchBytes) yield* flush
      })
    ),
    Effect.andThen(flush),
    Effect.ensuring(progress.end)
  )
  yield* Output.note(`${told((yield* Clock.currentTimeMillis) - started)}\n`)
})

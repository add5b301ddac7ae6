/**
 * What a receiver answered, recorded together with the cursor: once for each push. A stream that is paused is waited
 * for, which shows; where that would hold up other streams, not for long. Known limits: what is refused or given up is
 * told and lost, since the receiver has acted; under a key that someone else has taken a replay is recorded once more.
 */
import { Clock, Effect, Result, Schema } from "effect"
import type { Event } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import { EventType } from "../../domain/EventType.ts"
import * as Sha256 from "../../domain/Sha256.ts"
import type { IdempotencyConflict, StreamPaused } from "../../domain/StreamError.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as DeliveryCursor from "./DeliveryCursor.ts"
import type { Progress, Tools } from "./DeliveryProgress.ts"
import type { Push } from "./DeliveryPush.ts"
import type { Records } from "./DeliveryRecords.ts"
import type { Appends } from "./DeliveryReply.ts"
import type { Tried } from "./DeliveryRetry.ts"
import type { Assignment } from "./Subscription.ts"

/** Pauses while a stream that should take an event is paused, in milliseconds: each twice the one before. */
const firstPause = 100
const longestPause = 10_000
/** So long that is not told, in milliseconds: a stream may be paused for a moment. */
const quietMillis = 5_000
/** So long the streams below wait for one of them in all, in milliseconds. */
const longestWait = 60_000
/** Bound of the streams of which it is known since when they are paused. */
const maxPaused = 1_000

interface Addressed {
  readonly streamPath: StreamPath
  readonly event: ReturnType<typeof made>
}

export interface Options {
  readonly tools: Tools
  readonly assignment: Assignment
  readonly path: StreamPath
  readonly progress: Progress
  readonly records: Records
}

export class Answers {
  private readonly options: Options
  /** Since when a stream takes nothing: one that was waited for is not waited for again before it took something. */
  private readonly pausedSince = new Map<StreamPath, number>()

  constructor(options: Options) {
    this.options = options
  }

  /** Records them; what is refused is told, and the push counts as taken all the same. */
  record(push: Push, appends: Appends): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { progress, records, tools } = this.options
      const event = EventText.decode(push.last)
      const cursor = progress.behind(push.end)
      let addressed = this.address(event, appends)
      let isTold = false
      for (let pause = firstPause;;) {
        const result = yield* Effect.result(
          progress.record(cursor, (cursor) => tools.appendAll(addressed, { answering: event, cursor }))
        )
        if (Result.isSuccess(result)) {
          for (const { streamPath } of addressed) this.pausedSince.delete(streamPath)
          return
        }
        const error = result.failure
        if (error._tag === "IdempotencyConflict") {
          const renamed = yield* this.renamed(addressed, error)
          // The event was replayed, and what it was answered then is recorded.
          if (renamed === undefined) return yield* progress.move(cursor)
          addressed = renamed
          continue
        }
        if (error._tag !== "StreamPaused") {
          const message = `The log refused the \`append\` of its answer: ${error.message}`
          return yield* records.error("answer", push.last, message, cursor)
        }
        const now = yield* Clock.currentTimeMillis
        const waited = now - this.since(error.streamPath, now)
        if (this.options.assignment.configuration.descendants === true && waited >= longestWait) {
          const message = `The \`append\` of its answer was given up: ${remedy(error)}`
          return yield* records.error("answer", push.last, message, cursor)
        }
        if (waited >= quietMillis && !isTold) {
          isTold = true
          yield* this.tell(push, error, now, pause)
        }
        yield* Effect.sleep(pause)
        pause = Math.min(2 * pause, longestPause)
      }
    })
  }

  private since(path: StreamPath, now: number): number {
    const since = this.pausedSince.get(path) ?? now
    this.pausedSince.set(path, since)
    const [oldest] = this.pausedSince.keys()
    if (this.pausedSince.size > maxPaused && oldest !== undefined) this.pausedSince.delete(oldest)
    return since
  }

  /** So it shows, and a person may have it passed over; after a restart the push is made again. */
  private tell(push: Push, paused: StreamPaused, now: number, pause: number): Effect.Effect<void> {
    const { assignment, progress, records } = this.options
    const { attempts = 0, since = now } = progress.cursor.failing ?? {}
    const error = `It was taken, and the \`append\` of its answer waits: ${remedy(paused)}`
    const tried: Tried = { attempts, since, nextAt: now + pause, error }
    return records.waiting(DeliveryCursor.failingOf(push, assignment, tried))
  }

  /** The same with another key where someone else has taken one; none where its own events are recorded already. */
  private renamed(
    addressed: ReadonlyArray<Addressed>,
    conflict: IdempotencyConflict
  ): Effect.Effect<ReadonlyArray<Addressed> | undefined> {
    const isMeant = ({ event }: Addressed): boolean => event.idempotencyKey === conflict.idempotencyKey
    const target = addressed.find(isMeant)?.streamPath
    if (target === undefined) return Effect.undefined
    return Effect.map(this.options.records.isOurs(target, conflict), (isOurs) =>
      isOurs ? undefined : addressed.map((each) =>
        isMeant(each)
          ? { ...each, event: { ...each.event, idempotencyKey: `${conflict.idempotencyKey}/${crypto.randomUUID()}` } }
          : each))
  }

  private address(event: Event, appends: Appends): ReadonlyArray<Addressed> {
    const { assignment: { configuration: { batch, descendants } }, path } = this.options
    // One push may hold events of several streams.
    const own = descendants === true && batch !== undefined ? path : event.streamPath
    return appends.map(({ streamPath = own, ...append }, index) => ({
      streamPath,
      event: made(append, this.key(event, streamPath, index))
    }))
  }

  /** Readable on the subscription's own stream; elsewhere subscriptions of one name must not meet. */
  private key({ offset, streamPath }: Event, target: string, index: number): string {
    const { path, tools: { key } } = this.options
    return streamPath === path && target === path
      ? `subscription/${key}/${offset}/${index}`
      : `subscription/${key}/${Sha256.base64Url(JSON.stringify([path, key, streamPath, offset]))}/${index}`
  }
}

const made = ({ metadata, payload = {}, type }: Omit<Appends[number], "streamPath">, idempotencyKey: string) =>
  EventType.make(type, Schema.Json).make(payload, {
    idempotencyKey,
    ...(metadata === undefined ? {} : { metadata })
  })

const remedy = ({ streamPath }: StreamPaused): string => `${streamPath} is paused; append stream/resumed there`

/** What a subscription's fiber records: that a push was not taken, what went wrong, and what a receiver answered. */
import { DateTime, Effect, Schedule, Schema } from "effect"
import { ErrorOccurred } from "../../domain/ControlEvent.ts"
import type { Event } from "../../domain/Event.ts"
import { Offset } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import { EventType } from "../../domain/EventType.ts"
import * as Sha256 from "../../domain/Sha256.ts"
import type { AppendError, InvalidPath, PayloadTooLarge } from "../../domain/StreamError.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as Path from "../../domain/StreamPath.ts"
import * as Domain from "../../domain/Subscription.ts"
import { isTold } from "./DeliveryChoice.ts"
import type { Cursor, Failing } from "./DeliveryCursor.ts"
import type { Push } from "./DeliveryFeed.ts"
import type { Progress, Tools } from "./DeliveryProgress.ts"
import type { Appends } from "./DeliveryReply.ts"

/** Bound of what is told of an error, in characters. */
const maxMessage = 2_000
/** Pauses while a stream that should take an event is paused. */
const whilePaused = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])

type Refusal = AppendError | InvalidPath | PayloadTooLarge

export class Records {
  private readonly tools: Tools
  private readonly turn: number
  private readonly progress: Progress

  constructor(tools: Tools, turn: number, progress: Progress) {
    this.tools = tools
    this.turn = turn
    this.progress = progress
  }

  /** A push was not taken, and is made again. */
  retrying(failing: Failing): Effect.Effect<void> {
    const { error, nextAt } = failing
    const event = Domain.SubscriptionRetrying.make(
      { ...this.undelivered(failing), error, nextAt: DateTime.makeUnsafe(nextAt) },
      { idempotencyKey: this.key("retrying", this.turn, failing.streamPath, failing.offset) }
    )
    return this.once(this.progress.at(failing), (cursor) => this.tools.append(event, { cursor, byServer: true }))
  }

  /** A push was not taken, and a person is needed. */
  parked(failing: Failing): Effect.Effect<void> {
    const { attempts, error } = failing
    const event = Domain.SubscriptionParked.make(
      { ...this.undelivered(failing), attempts, error },
      { idempotencyKey: this.key("parked", this.turn, failing.streamPath, failing.offset) }
    )
    return this.once(this.progress.at(failing), (cursor) => this.tools.append(event, { cursor, byServer: true }))
  }

  /** Something went wrong with an event; with a cursor, it moves in the same transaction. */
  tell(line: EventText.JsonText, message: string, cursor?: Cursor): Effect.Effect<void> {
    return Effect.suspend(() => {
      const event = EventText.decode(line)
      // Two subscriptions that fail at what the other one tells would go on without end.
      if (isTold(event)) return cursor === undefined ? Effect.void : this.progress.move(cursor)
      const { offset, streamPath } = event
      const told = ErrorOccurred.make({
        message: message.slice(0, maxMessage),
        source: Domain.processor,
        slug: this.tools.key,
        offset,
        ...this.elsewhere(streamPath)
      }, { idempotencyKey: this.key("error", streamPath, offset) })
      return cursor === undefined
        ? this.settle(this.tools.append(told, { answering: event, byServer: true }), Effect.void)
        : this.once(cursor, (cursor) => this.tools.append(told, { answering: event, byServer: true, cursor }))
    })
  }

  /** What a receiver answered to a push. One that is refused is told, and the push counts as taken all the same. */
  answer(push: Push, appends: Appends, isMixed: boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      const event = EventText.decode(push.last)
      const cursor = this.progress.behind(push.end)
      const target = isMixed ? this.tools.streamPath : event.streamPath
      const addressed = appends.map(({ metadata, payload = {}, streamPath = target, type }, index) => ({
        streamPath,
        event: EventType.make(type, Schema.Json).make(payload, {
          idempotencyKey: this.replyKey(event, streamPath, index),
          ...(metadata === undefined ? {} : { metadata })
        })
      }))
      const recorded = Effect.asVoid(
        this.progress.record(cursor, (cursor) => this.tools.appendAll(addressed, { answering: event, cursor }))
      ).pipe(Effect.retry({ schedule: whilePaused, while: isPaused }))
      return Effect.catch(recorded, (error) =>
        error._tag === "IdempotencyConflict"
          // The event was replayed, and what it was answered then is recorded.
          ? this.progress.move(cursor)
          : this.tell(push.last, `The log refused the \`append\` of its answer: ${error.message}`, cursor))
    })
  }

  /** Records a fact with the cursor. One that is known under its key stands, and only the cursor moves. */
  private once(cursor: Cursor, append: (cursor: Cursor) => Effect.Effect<Event, Refusal>): Effect.Effect<void> {
    return this.settle(
      Effect.suspend(() => this.progress.record(cursor, append)),
      Effect.suspend(() => this.progress.move(cursor))
    )
  }

  private settle(append: Effect.Effect<Event, Refusal>, known: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.asVoid(append).pipe(
      Effect.retry({ schedule: whilePaused, while: isPaused }),
      Effect.catch((error) => {
        if (error._tag === "IdempotencyConflict") return known
        const what = `${this.tools.streamPath} did not take what subscription ${this.tools.key} told`
        return Effect.andThen(Effect.logWarning(what, error), known)
      })
    )
  }

  private undelivered({ offset, streamPath }: Failing) {
    return { slug: this.tools.key, offset: Offset.make(offset), ...this.elsewhere(streamPath) }
  }

  private elsewhere(streamPath: string): { readonly streamPath?: StreamPath } {
    return streamPath !== this.tools.streamPath && Path.is(streamPath) ? { streamPath } : {}
  }

  private key(what: string, ...parts: ReadonlyArray<string | number>): string {
    return `subscription-${what}/${Sha256.base64Url(JSON.stringify([this.tools.key, ...parts]))}`
  }

  /** Readable on the subscription's own stream; elsewhere subscriptions of one name must not meet. */
  private replyKey({ offset, streamPath }: Event, target: string, index: number): string {
    const own = this.tools.streamPath
    const { key } = this.tools
    return streamPath === own && target === own
      ? `subscription/${key}/${offset}/${index}`
      : `subscription/${key}/${Sha256.base64Url(JSON.stringify([own, key, streamPath, offset]))}/${index}`
  }
}

const isPaused = ({ _tag }: Refusal): boolean => _tag === "StreamPaused"

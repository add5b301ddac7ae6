/**
 * What a subscription's fiber says in the server's name on its own stream: that a push was not taken, that a person is
 * needed, and what went wrong. Each is recorded once under its key; a key that someone else has taken silences nothing.
 */
import { DateTime, Effect } from "effect"
import { ErrorOccurred } from "../../domain/ControlEvent.ts"
import type { Event } from "../../domain/Event.ts"
import { Offset } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import type { JsonText } from "../../domain/EventText.ts"
import type { Made } from "../../domain/EventType.ts"
import * as Sha256 from "../../domain/Sha256.ts"
import type { AppendError, IdempotencyConflict, InvalidPath, PayloadTooLarge } from "../../domain/StreamError.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as Path from "../../domain/StreamPath.ts"
import * as Domain from "../../domain/Subscription.ts"
import type { EventStore } from "../../log/EventStore.ts"
import * as DeliveryChoice from "./DeliveryChoice.ts"
import type { Cursor, Failing } from "./DeliveryCursor.ts"
import type { Progress, Tools } from "./DeliveryProgress.ts"
import * as Outage from "../../log/Outage.ts"

/** Bound of what is told of an error, in characters. */
const maxMessage = 2_000

/** What an error is about: each is told once for an event. */
export type About = "filter" | "transform" | "answer" | "skipped"

interface Telling {
  /** Moves in the same transaction. */
  readonly cursor?: Cursor | undefined
  readonly answering?: Event | undefined
}

export class Records {
  private readonly store: EventStore["Service"]
  private readonly tools: Tools
  private readonly path: StreamPath
  private readonly turn: number
  private readonly progress: Progress

  constructor(store: EventStore["Service"], tools: Tools, path: StreamPath, turn: number, progress: Progress) {
    this.store = store
    this.tools = tools
    this.path = path
    this.turn = turn
    this.progress = progress
  }

  /** A push was not taken, and is made again. */
  retrying(failing: Failing): Effect.Effect<void> {
    return this.trying("retrying", failing)
  }

  /** A push was taken, and what it was answered can not be recorded yet. */
  waiting(failing: Failing): Effect.Effect<void> {
    return this.trying("waiting", failing)
  }

  private trying(what: "retrying" | "waiting", failing: Failing): Effect.Effect<void> {
    const { error, nextAt, offset, streamPath } = failing
    const payload = { ...this.about(offset, streamPath), error, nextAt: DateTime.makeUnsafe(nextAt) }
    const event = (idempotencyKey: string) => Domain.SubscriptionRetrying.make(payload, { idempotencyKey })
    // Refused it would be lost: the fiber is parked instead, which shows.
    return Effect.orDie(this.say(this.key(what, streamPath, offset), event, { cursor: this.progress.at(failing) }))
  }

  /** A push was not taken, and a person is needed. */
  parked(failing: Failing): Effect.Effect<void> {
    const { attempts, error, offset, streamPath } = failing
    const told = `${error}. Once that is mended, append subscription/resumed`
    const cursor = this.progress.at(failing)
    return this.park({ ...this.about(offset, streamPath), attempts, error: told }, { cursor })
  }

  /** Nothing can be pushed as it is configured, and a person is needed. */
  unfit(error: string): Effect.Effect<void> {
    const told = `${error}. Configure it anew, or append subscription/resumed once that is mended`
    return this.park({ ...this.about(this.turn, this.path), attempts: 0, error: told }, {})
  }

  private park(payload: typeof Domain.SubscriptionParked.payload.Type, telling: Telling): Effect.Effect<void> {
    const key = this.key("parked", payload.streamPath ?? this.path, payload.offset)
    const event = (idempotencyKey: string) => Domain.SubscriptionParked.make(payload, { idempotencyKey })
    return Effect.orDie(this.say(key, event, telling))
  }

  /** Something went wrong with an event, or with so many from that one on. */
  error(about: About, line: JsonText, message: string, cursor?: Cursor, count = 1): Effect.Effect<void> {
    const passed = cursor === undefined ? Effect.void : Effect.suspend(() => this.progress.move(cursor))
    // Two built-ins that fail at what the other one tells would go on without end.
    if (DeliveryChoice.isFailure(line)) return passed
    const answering = EventText.decode(line)
    const { offset, streamPath } = answering
    const more = count === 1 ? {} : { count }
    return this.complain(this.key(`error-${about}`, streamPath, offset), {
      message: message.slice(0, maxMessage),
      ...this.about(offset, streamPath),
      ...more
    }, { answering, cursor }).pipe(Effect.catch((error) =>
      // What it answers may be the end of a chain of causes that is too long.
      Effect.andThen(
        Effect.logWarning(`${this.path} did not take what subscription ${this.tools.key} told`, { message, error }),
        passed
      )
    ))
  }

  /** A person asked for something that can not be done; with the cursor that it does not change. */
  impossible(message: string, cursor: Cursor): Effect.Effect<void> {
    const key = this.key("error-resumed", this.path, this.turn)
    return Effect.orDie(this.complain(key, { message, ...this.about(this.turn, this.path) }, { cursor }))
  }

  private complain(key: string, payload: { readonly message: string }, telling: Telling) {
    const event = (idempotencyKey: string) =>
      ErrorOccurred.make({ source: Domain.processor, ...payload }, { idempotencyKey })
    return this.say(key, event, telling)
  }

  /** Once under its key: what is known under it stands, if this processor said it. */
  private say(
    key: string,
    event: (key: string) => Made<string>,
    telling: Telling
  ): Effect.Effect<void, AppendError | InvalidPath | PayloadTooLarge> {
    const { answering, cursor } = telling
    const append = (cursor?: Cursor) =>
      Effect.asVoid(this.tools.append(event(key), { answering, cursor, byServer: true }))
    const recorded = cursor === undefined ? append() : Effect.suspend(() => this.progress.record(cursor, append))
    return Effect.catchTag(recorded, "IdempotencyConflict", (conflict) =>
      Effect.flatMap(this.isOurs(this.path, conflict), (isOurs) =>
        !isOurs
          ? this.say(`${key}/${crypto.randomUUID()}`, event, telling)
          : cursor === undefined
          ? Effect.void
          : this.progress.move(cursor)))
  }

  /** Whether what is known under a key is of this processor: anyone may choose a key, but not a cause. */
  isOurs(path: StreamPath, { offset }: IdempotencyConflict): Effect.Effect<boolean> {
    return this.store.read(path, { after: offset - 1, before: offset + 1, limit: 1 }).pipe(
      Effect.retry(Outage.pauses),
      Effect.orDie,
      Effect.map(({ lines: [line] }) =>
        line === undefined || EventText.decode(line).cause?.processor === Domain.processor)
    )
  }

  private about(offset: number, streamPath: string) {
    const elsewhere = streamPath !== this.path && Path.is(streamPath) ? { streamPath } : {}
    return { slug: this.tools.key, offset: Offset.make(offset), ...elsewhere }
  }

  private key(what: string, ...parts: ReadonlyArray<string | number>): string {
    return `subscription-${what}/${Sha256.base64Url(JSON.stringify([this.tools.key, this.turn, ...parts]))}`
  }
}

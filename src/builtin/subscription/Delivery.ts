/**
 * One subscription at work: pushes what it follows to its URL, one request after the other, each until it is taken, or
 * passed over, or the subscription is parked. Pushes are at-least-once and keep their `webhook-id`; what a receiver's
 * answer appends is recorded together with the cursor, once for each push. Known limit: an event that is replayed on a
 * person's word and answered otherwise than before has what is new in that answer recorded too.
 */
import { Clock, Effect, Metric, Random } from "effect"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as EventText from "../../domain/EventText.ts"
import type { Egress } from "../../egress/Egress.ts"
import type { EventStore } from "../../log/EventStore.ts"
import type { Growth } from "../../log/Growth.ts"
import type { Failing, Place } from "./DeliveryCursor.ts"
import { Feed } from "./DeliveryFeed.ts"
import type { Push } from "./DeliveryFeed.ts"
import { Progress } from "./DeliveryProgress.ts"
import type { Tools } from "./DeliveryProgress.ts"
import { Records } from "./DeliveryRecords.ts"
import * as DeliveryReply from "./DeliveryReply.ts"
import { Requests } from "./DeliveryRequest.ts"
import * as DeliveryRetry from "./DeliveryRetry.ts"
import * as DeliveryStart from "./DeliveryStart.ts"
import { Follow, whileAway } from "./Follow.ts"
import * as FollowLine from "./FollowLine.ts"
import * as FollowPlace from "./FollowPlace.ts"
import type { Jsonata } from "../Jsonata.ts"
import type { Secrets } from "../Secrets.ts"
import type { Delivery } from "./Subscription.ts"

const taken = Metric.counter("millstream_deliveries_total", {
  description: "Pushes of subscriptions that were taken",
  incremental: true
})
const failures = Metric.counter("millstream_delivery_failures_total", {
  description: "Pushes of subscriptions that were not taken",
  incremental: true
})
const lag = Metric.histogram("millstream_delivery_lag_seconds", {
  description: "From when an event was recorded until its push was taken",
  boundaries: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3_600, 86_400]
})

export interface Services {
  readonly store: EventStore["Service"]
  readonly growth: Growth["Service"]
  readonly egress: Egress["Service"]
  readonly jsonata: Jsonata["Service"]
  readonly secrets: Secrets["Service"]
  /** As which program it introduces itself. */
  readonly userAgent: string
}

/** How a course ended: behind a push that was tried again, at one that failed, or for good. */
type Ended = "through" | "failed" | "parked"

class Course {
  private readonly services: Services
  private readonly delivery: Delivery
  private readonly path: StreamPath
  private readonly slug: string
  private readonly progress: Progress
  private readonly records: Records
  private readonly requests: Requests
  /** Whether one push may hold events of several streams. */
  private readonly isMixed: boolean

  constructor(services: Services, delivery: Delivery, path: StreamPath, tools: Tools, progress: Progress) {
    this.services = services
    this.delivery = delivery
    this.path = path
    this.slug = tools.key
    this.progress = progress
    const { configuration } = delivery
    const { egress, secrets, userAgent } = services
    this.records = new Records(tools, delivery.turn, progress)
    this.requests = new Requests({ egress, secrets, userAgent, path, slug: tools.key, configuration })
    this.isMixed = configuration.descendants === true && configuration.batch !== undefined
  }

  /** Until the subscription is parked. */
  readonly run: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    while (true) {
      const { failing } = this.progress.cursor
      // Nothing is held meanwhile: receivers may be away for days.
      if (failing !== undefined) yield* Effect.sleep(Math.max(0, failing.nextAt - (yield* Clock.currentTimeMillis)))
      if ((yield* Effect.scoped(this.follow(failing?.end))) === "parked") return
    }
  })

  /** Pushes from the cursor on, until one is not taken; with `upTo`, only what was not taken before. */
  private follow(upTo: Place | undefined) {
    return Effect.gen({ self: this }, function*() {
      const { growth, jsonata, store } = this.services
      const { configuration } = this.delivery
      const follow = yield* Effect.acquireRelease(
        Effect.sync(() =>
          new Follow(store, growth, {
            path: this.path,
            descendants: configuration.descendants === true,
            after: this.progress.cursor.at,
            upTo
          })),
        (each) => Effect.sync(() => each.close())
      )
      const { path, slug } = this
      const onFailed = (line: EventText.JsonText, message: string) => this.records.tell(line, message)
      const feed = new Feed({ slug, path, configuration, follow, jsonata, onFailed })
      return yield* Effect.raceFirst(this.pushAll(feed, upTo), feed.run)
    })
  }

  private pushAll(feed: Feed, upTo: Place | undefined): Effect.Effect<Ended> {
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const step = yield* feed.next(upTo)
        if (step._tag === "Passed") this.progress.pass(step.at)
        else {
          const ended = yield* this.push(step)
          if (ended !== "through") return ended
        }
        if (upTo !== undefined && !FollowPlace.isBehind(upTo, this.progress.cursor.at)) return "through"
      }
    })
  }

  private push(push: Push): Effect.Effect<Ended> {
    return Effect.gen({ self: this }, function*() {
      const { answer, body } = yield* this.requests.send(push)
      if (answer._tag !== "Taken") return yield* this.fail(push, answer)
      yield* Metric.update(taken, 1)
      yield* Metric.update(lag, ((yield* Clock.currentTimeMillis) - FollowLine.millisOf(push.last)) / 1_000)
      const reply = DeliveryReply.read(body)
      switch (reply._tag) {
        case "None":
          this.progress.deliver(push.end)
          break
        case "Malformed":
          yield* this.records.tell(push.last, reply.reason, this.progress.behind(push.end))
          break
        case "Append":
          yield* this.records.answer(push, reply.appends, this.isMixed)
      }
      return "through"
    })
  }

  private fail(push: Push, answer: Exclude<DeliveryRetry.Answer, { readonly _tag: "Taken" }>): Effect.Effect<Ended> {
    return Effect.gen({ self: this }, function*() {
      yield* Metric.update(failures, 1)
      const offset = EventText.offsetOf(push.first)
      const streamPath = FollowLine.pathOf(push.first)
      const { failing } = this.progress.cursor
      const before = failing?.offset === offset && failing.streamPath === streamPath ? failing : undefined
      const now = yield* Clock.currentTimeMillis
      const next = DeliveryRetry.next(this.delivery.configuration.onFailure, before, answer, now, yield* Random.next)
      const failed: Failing = { ...next.tried, turn: this.delivery.turn, streamPath, offset, end: push.end }
      switch (next._tag) {
        case "Again":
          yield* before === undefined ? this.records.retrying(failed) : this.progress.move(this.progress.at(failed))
          return "failed"
        case "Skip":
          yield* this.records.tell(push.first, skipped(push, failed), this.progress.behind(push.end))
          return "failed"
        case "Park":
          yield* this.records.parked(failed)
          return "parked"
      }
    })
  }
}

const skipped = ({ count }: Push, { attempts, error }: Failing): string =>
  `It was passed over${count === 1 ? "" : ` with ${count - 1} behind it`} after ${attempts} attempts: ${error}`

/** Delivers until the subscription is parked, or called off. */
export const run = (services: Services, delivery: Delivery, path: StreamPath, tools: Tools) =>
  Effect.gen(function*() {
    const value = yield* tools.cursor
    const begun = DeliveryStart.begin(services.store, path, delivery, value)
    const { cursor, stored } = yield* Effect.orDie(Effect.retry(begun, whileAway))
    const progress = new Progress(tools, stored, cursor)
    yield* progress.start
    yield* new Course(services, delivery, path, tools, progress).run
  })

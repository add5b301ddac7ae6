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
import * as Outage from "../../log/Outage.ts"
import { again } from "./DeliveryAgain.ts"
import { Answers } from "./DeliveryAnswers.ts"
import type { Failing, Place } from "./DeliveryCursor.ts"
import * as DeliveryCursor from "./DeliveryCursor.ts"
import { Failures } from "./DeliveryFailures.ts"
import { Feed } from "./DeliveryFeed.ts"
import { Progress } from "./DeliveryProgress.ts"
import type { Tools } from "./DeliveryProgress.ts"
import type { Named, Push } from "./DeliveryPush.ts"
import { Records } from "./DeliveryRecords.ts"
import * as DeliveryReply from "./DeliveryReply.ts"
import { Requests } from "./DeliveryRequest.ts"
import * as DeliveryRetry from "./DeliveryRetry.ts"
import * as DeliveryStart from "./DeliveryStart.ts"
import { Follow } from "./Follow.ts"
import * as FollowLine from "./FollowLine.ts"
import type { Jsonata } from "../Jsonata.ts"
import type { Secrets } from "../Secrets.ts"
import type { Assignment } from "./Subscription.ts"

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

type NotTaken = Exclude<DeliveryRetry.Answer, { readonly _tag: "Taken" }>

/** How a push ended: taken, or to be made again, passed over, or waiting for a person. */
type Ended = "through" | "failed" | "parked"

interface Parts {
  readonly progress: Progress
  readonly records: Records
  readonly requests: Requests
  readonly answers: Answers
  readonly failures: { readonly [Expression in "filter" | "transform"]: Failures }
}

class Delivery {
  private readonly services: Services
  private readonly assignment: Assignment
  private readonly path: StreamPath
  private readonly slug: string
  private readonly parts: Parts

  constructor(services: Services, assignment: Assignment, path: StreamPath, slug: string, parts: Parts) {
    this.services = services
    this.assignment = assignment
    this.path = path
    this.slug = slug
    this.parts = parts
  }

  /** Until the subscription is parked. */
  readonly run: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    const { onFailure } = this.assignment.configuration
    while (true) {
      const { failing } = this.parts.progress.cursor
      if (failing !== undefined) {
        // Nothing is held meanwhile: receivers may be away for days.
        yield* Effect.sleep(DeliveryRetry.pauseUntil(onFailure, failing, yield* Clock.currentTimeMillis))
      }
      const ended = yield* Effect.scoped(failing === undefined ? this.pushAll : this.pushAgain(failing))
      if (ended === "parked") return
    }
  })

  /** What is behind the cursor, as far as it is there; with `upTo` no further than that. */
  private follow(upTo?: Place) {
    const { growth, store } = this.services
    const { path } = this
    const descendants = this.assignment.configuration.descendants === true
    return Effect.acquireRelease(
      Effect.sync(() =>
        new Follow(store, growth, { path, descendants, after: this.parts.progress.cursor.at, upTo })),
      (each) => Effect.sync(() => each.close())
    )
  }

  private readonly pushAll = Effect.gen({ self: this }, function*() {
    const { path, slug } = this
    const { configuration } = this.assignment
    const follow = yield* this.follow()
    const onFailed = (expression: "filter" | "transform", line: EventText.JsonText, message: string) =>
      this.parts.failures[expression].add(line, message)
    const feed = new Feed({ slug, path, configuration, follow, jsonata: this.services.jsonata, onFailed })
    const pushing: Effect.Effect<Ended> = Effect.gen({ self: this }, function*() {
      while (true) {
        const step = yield* feed.next
        if (step._tag === "Passed") this.parts.progress.pass(step.at)
        else {
          const ended = yield* this.push(step)
          if (ended !== "through") return ended
        }
      }
    })
    return yield* Effect.raceFirst(pushing, feed.run)
  })

  private pushAgain(failing: Failing) {
    return Effect.gen({ self: this }, function*() {
      const { path, slug } = this
      const { configuration } = this.assignment
      const follow = yield* this.follow(failing.end)
      const step = yield* again({ slug, path, configuration, follow, jsonata: this.services.jsonata }, failing)
      switch (step._tag) {
        case "Push":
          return yield* this.push(step)
        case "Unmade":
          return yield* this.fail(step.push, { _tag: "Failed", error: step.error })
        case "Passed":
          this.parts.progress.pass(step.at)
          return "through"
      }
    })
  }

  private push(push: Push): Effect.Effect<Ended> {
    return Effect.gen({ self: this }, function*() {
      const { answers, progress, records, requests } = this.parts
      const { answer, body } = yield* requests.send(push)
      if (answer._tag !== "Taken") return yield* this.fail(push, answer)
      yield* Metric.update(taken, 1)
      yield* Metric.update(lag, ((yield* Clock.currentTimeMillis) - FollowLine.millisOf(push.last)) / 1_000)
      if (typeof body === "string") {
        const message = `It was taken, but its answer was not read: ${body}`
        yield* records.error("answer", push.last, message, progress.behind(push.end))
        return "through"
      }
      const reply = DeliveryReply.read(body)
      switch (reply._tag) {
        case "None":
          progress.deliver(push.end)
          break
        case "Malformed":
          yield* records.error("answer", push.last, reply.reason, progress.behind(push.end))
          break
        case "Append":
          yield* answers.record(push, reply.appends)
      }
      return "through"
    })
  }

  private fail(push: Named, answer: NotTaken): Effect.Effect<Ended> {
    return Effect.gen({ self: this }, function*() {
      yield* Metric.update(failures, 1)
      const { progress, records } = this.parts
      const { onFailure } = this.assignment.configuration
      const { failing } = progress.cursor
      const offset = EventText.offsetOf(push.first)
      const isKnown = failing?.offset === offset && failing.streamPath === FollowLine.pathOf(push.first)
      const before = isKnown ? failing : undefined
      const now = yield* Clock.currentTimeMillis
      const next = DeliveryRetry.next(onFailure, before, answer, now, yield* Random.next)
      const failed = DeliveryCursor.failingOf(push, this.assignment, next.tried)
      switch (next._tag) {
        case "Again":
          // One that a person let go on has been tried as often as never.
          yield* before === undefined || before.attempts === 0
            ? records.retrying(failed)
            : progress.move(progress.at(failed))
          return "failed"
        case "Skip":
          yield* records.error("skipped", push.first, skipped(push.count, failed), progress.behind(push.end))
          return "failed"
        case "Park":
          yield* records.parked(failed)
          return "parked"
      }
    })
  }
}

const skipped = (count: number, { attempts, error }: Failing): string =>
  `It was passed over${count === 1 ? "" : ` with ${count - 1} behind it`} after ` +
  `${attempts} ${attempts === 1 ? "attempt" : "attempts"}: ${error}`

/** Delivers until the subscription is parked, or called off. */
export const run = (services: Services, assignment: Assignment, path: StreamPath, tools: Tools) =>
  Effect.gen(function*() {
    const { egress, secrets, store, userAgent } = services
    const { configuration } = assignment
    const slug = tools.key
    const begun = DeliveryStart.begin(store, path, assignment, yield* tools.cursor)
    const { cursor, problem, stored } = yield* Effect.orDie(Effect.retry(begun, Outage.pauses))
    const progress = new Progress(tools, stored, cursor)
    yield* progress.start
    const records = new Records(store, tools, path, assignment.turn, progress)
    if (problem !== undefined) yield* records.impossible(problem, cursor)
    const requests = yield* Requests.make({ egress, secrets, userAgent, path, slug, configuration })
    if (typeof requests === "string") return yield* records.unfit(requests)
    const failing = (about: "filter" | "transform") =>
      new Failures(({ count, line, message }) => records.error(about, line, message, undefined, count))
    const failures = { filter: failing("filter"), transform: failing("transform") }
    if (configuration.filter !== undefined) yield* failures.filter.start
    if (configuration.transform !== undefined) yield* failures.transform.start
    const answers = new Answers({ tools, assignment, path, progress, records })
    yield* new Delivery(services, assignment, path, slug, { progress, records, requests, answers, failures }).run
  })

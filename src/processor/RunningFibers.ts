/**
 * The fibers of one instance: what runs now, and the tools each of them gets. What a fiber appends while the log is
 * away is tried without end, and it can not be called off meanwhile; only the end of its instance does not wait.
 */
import { Cause, Clock, Duration, Effect, Exit, Fiber, Schedule } from "effect"
import type { Schema, Scope } from "effect"
import * as EventText from "../domain/EventText.ts"
import type * as EventType from "../domain/EventType.ts"
import * as Sha256 from "../domain/Sha256.ts"
import type { Fenced } from "../domain/StreamError.ts"
import { InvalidEvent } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { FiberCursor, Lease } from "../log/Checkpoints.ts"
import type { AppendRequest, EventStore } from "../log/EventStore.ts"
import * as Outage from "../log/Outage.ts"
import * as Emission from "./Emission.ts"
import type { FiberRecord } from "./FiberRecords.ts"
import type { Asked, FiberTools } from "./Folding.ts"
import type { Addressed } from "./Hooks.ts"

/** After an attempt that ran for so long retries are counted anew, in milliseconds: it worked, and something changed. */
const steadyMillis = 60_000

/** The instance ends: this fiber will be interrupted, and must do nothing until then. */
const ending = Effect.interruptible(Effect.never)

export interface Options {
  readonly store: EventStore["Service"]
  readonly lease: Lease
  readonly life: bigint
  readonly path: StreamPath
  readonly retry: Schedule.Schedule<unknown, unknown>
  readonly maxHops: number
  readonly cursors: ReadonlyArray<FiberCursor>
  /** Hears how a fiber ended; an interrupted one did not. */
  readonly onEnded: (name: string, input: EventText.JsonText, exit: Exit.Exit<unknown, unknown>) => void
  /** Hears that this server does not act for the processor any more. */
  readonly onFenced: (error: Fenced) => void
}

interface Running {
  readonly input: EventText.JsonText
  fiber: Fiber.Fiber<void> | undefined
  isRetrying: boolean
}

export class RunningFibers {
  readonly running = new Map<string, Running>()
  private readonly options: Options
  private readonly scope: Scope.Scope
  private readonly cursors: Map<string, Schema.Json>

  constructor(scope: Scope.Scope, options: Options) {
    this.scope = scope
    this.options = options
    this.cursors = new Map(
      options.cursors.map(({ key, kind, value }) => [nameOf(kind, key), JSON.parse(value)])
    )
  }

  /** Interrupts a fiber and waits until it is gone: two of one name never overlap. */
  interrupt(name: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const running = this.running.get(name)
      this.running.delete(name)
      return running?.fiber === undefined ? Effect.void : Fiber.interrupt(running.fiber)
    })
  }

  start(name: string, asked: Asked, record: FiberRecord): Effect.Effect<void> {
    const { run } = asked
    if (run === undefined) return Effect.void
    return Effect.suspend(() => {
      const running: Running = { input: record.input, fiber: undefined, isRetrying: false }
      this.running.set(name, running)
      const attempt = Effect.suspend(() => {
        running.isRetrying = false
        return run(this.tools(asked, record))
      }).pipe(
        Effect.scoped,
        // Called off it does not come here: an interruption is then one of its own making.
        Effect.catchCause((cause) => {
          running.isRetrying = true
          return Effect.fail(reasonOf(cause))
        })
      )
      const whole = attempt.pipe(
        Effect.retry(renewed(this.options.retry)),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            // It was called off, and its name may have another input now; or the instance ends.
            if (this.running.get(name) !== running || this.scope.state._tag === "Closed") return
            this.running.delete(name)
            this.options.onEnded(name, record.input, Exit.isSuccess(exit) ? exit : Exit.fail(reasonOf(exit.cause)))
          })
        ),
        Effect.exit,
        Effect.asVoid
      )
      return Effect.map(Effect.forkIn(whole, this.scope), (fiber) => {
        running.fiber = fiber
      })
    })
  }

  /** What the log answers, however long it is away: what was sent may be recorded, and the cursor with it. */
  private answer<A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const attempt = Effect.uninterruptible(request)
    const again = attempt.pipe(
      Effect.retry({ schedule: Outage.pauses, while: isAway }),
      Effect.delay("100 millis"),
      // In a fiber of the instance's, which ends with it.
      Effect.forkIn(this.scope)
    )
    const joined = Effect.flatMap(again, Fiber.join).pipe(
      Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? ending : Effect.failCause(cause))
    )
    return Effect.uninterruptible(Effect.catchIf(attempt, isAway, () => joined))
  }

  private tools({ key, kind }: Asked, record: FiberRecord): FiberTools {
    const { lease, life, maxHops, onFenced, path, store } = this.options
    const name = nameOf(kind, key)
    const identity = JSON.stringify([lease.processor, path, String(life), kind, key, record.input])
    const origin: Emission.Origin = { processor: lease.processor, path, offset: record.since, hops: record.hops }

    /**
     * What was submitted is recorded, whether or not the fiber is wanted meanwhile, and what is known of its cursor goes
     * along. On a stream that was deleted since nothing is: such a fiber must not make it anew.
     */
    const commit = (appends: ReadonlyArray<AppendRequest>, cursor: Schema.Json | undefined) => {
      const values = cursor === undefined ? [] : [{ kind, key, value: JSON.stringify(cursor) }]
      return this.answer(store.commit({ lease, appends, cursors: { life, values } })).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            if (cursor !== undefined) this.cursors.set(name, cursor)
          })
        ),
        Effect.uninterruptible,
        Effect.catchTag("Fenced", (error) => {
          onFenced(error)
          return ending
        })
      )
    }

    /** Its append; none of them where the chain of causes that it would go on is too long. */
    const requestOf = Effect.fnUntraced(function*(
      { answering, byServer, event, streamPath }: Addressed<EventType.Any>,
      idempotencyKey: string | undefined
    ) {
      const answered = answering === undefined ? origin : Emission.originOf(lease.processor, answering)
      const request = yield* Emission.append(answered, event, streamPath ?? path, maxHops, byServer)
      if (request === undefined) {
        return yield* new InvalidEvent({ reason: `Its chain of causes is longer than ${maxHops} already: answer fewer events, or raise MILLSTREAM_MAX_HOPS` })
      }
      // A key of its own is of this call alone, so that it is recorded once however often it has to be tried.
      const key = idempotencyKey ?? event.idempotencyKey ?? `fiber/${crypto.randomUUID()}`
      return { ...request, events: request.events.map((each) => ({ ...each, idempotencyKey: key })) }
    })

    return {
      streamPath: path,
      key,
      idempotencyKey: Sha256.base64Url(identity),
      cursor: Effect.sync(() => this.cursors.get(name)),
      moveCursor: (value) => Effect.orDie(Effect.asVoid(commit([], value))),
      append: Effect.fnUntraced({ self: this }, function*(event, options = {}) {
        const { cursor, once } = options
        const idempotencyKey = once === undefined ? undefined : `once/${Sha256.base64Url(`${identity}${once}`)}`
        const request = yield* requestOf({ ...options, event }, idempotencyKey)
        const recorded = commit([request], cursor)
        const [appended] = yield* once === undefined
          ? recorded
          : Effect.catchTag(recorded, "IdempotencyConflict", (error) =>
            // An earlier attempt recorded this fact with other words: that one stands, and the cursor moves behind it.
            Effect.andThen(
              cursor === undefined ? Effect.void : commit([], cursor),
              Effect.map(
                this.answer(store.read(request.path, { after: error.offset - 1, before: error.offset + 1 })),
                ({ lines }) => [{ lines, known: true }]
              )
            ))
        const [line] = appended?.lines ?? []
        return line === undefined ? yield* Effect.die("An append returned no event") : EventText.decode(line)
      }),
      appendAll: Effect.fnUntraced(function*(appends, { answering, cursor } = {}) {
        const requests = yield* Effect.forEach(appends, (append) =>
          requestOf({ ...append, answering: append.answering ?? answering }, undefined))
        // Together or not at all: what is said in the place of a chain that is too long is not what was asked for.
        if (requests.some(({ cause }) => cause !== undefined && cause.hops > maxHops)) {
          return yield* new InvalidEvent({ reason: `Its chain of causes would cross more than ${maxHops} times between streams` })
        }
        const recorded = yield* commit(requests, cursor)
        return recorded.flatMap(({ lines }) => lines.map(EventText.decode))
      })
    }
  }
}

const reasonOf = (cause: Cause.Cause<unknown>): unknown =>
  Cause.hasInterruptsOnly(cause) ? new Error("It interrupted itself") : Cause.squash(cause)

const isAway = (error: { readonly _tag: string }): boolean => error._tag === "Unavailable"

/** A schedule that starts anew after an attempt that ran for long. */
const renewed = (schedule: Schedule.Schedule<unknown, unknown>): Schedule.Schedule<unknown, unknown> =>
  Schedule.fromStep(Effect.gen(function*() {
    let step = yield* Schedule.toStep(schedule)
    let began = yield* Clock.currentTimeMillis
    return Effect.fnUntraced(function*(now: number, error: unknown) {
      if (now - began >= steadyMillis) step = yield* Schedule.toStep(schedule)
      const [output, pause] = yield* step(now, error)
      began = now + Duration.toMillis(pause)
      return [output, pause]
    })
  }))

const nameOf = (kind: string, key: string): string => JSON.stringify([kind, key])

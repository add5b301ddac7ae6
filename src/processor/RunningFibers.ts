/** The fibers of one instance: what runs now, and the tools each of them gets. */
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import type { Schedule, Schema } from "effect"
import * as EventText from "../domain/EventText.ts"
import * as Sha256 from "../domain/Sha256.ts"
import type { Fenced } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { FiberCursor, Lease } from "../log/Checkpoints.ts"
import type { AppendRequest, EventStore } from "../log/EventStore.ts"
import * as Emission from "./Emission.ts"
import type { FiberRecord } from "./FiberRecords.ts"
import type { Asked, FiberTools } from "./Folding.ts"

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
      const attempt = Effect.scoped(run(this.tools(asked, record))).pipe(
        Effect.catchDefect((defect) => Effect.fail(defect)),
        Effect.tapError(() => Effect.sync(() => {
          running.isRetrying = true
        }))
      )
      const whole = attempt.pipe(
        Effect.retry(this.options.retry),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return
            // One that was interrupted while it could not be ended otherwise: its name may have another input now.
            if (this.running.get(name) !== running) return
            this.running.delete(name)
            this.options.onEnded(name, record.input, exit)
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

  private tools({ key, kind }: Asked, record: FiberRecord): FiberTools {
    const { lease, life, maxHops, onFenced, path, store } = this.options
    const name = nameOf(kind, key)
    const identity = JSON.stringify([lease.processor, kind, key, record.input])
    const origin: Emission.Origin = { processor: lease.processor, path, offset: record.since, hops: record.hops }

    /**
     * What was submitted is recorded, whether or not the fiber is wanted meanwhile, and what is known of its cursor goes
     * along. On a stream that was deleted since nothing is: such a fiber must not make it anew.
     */
    const commit = (appends: ReadonlyArray<AppendRequest>, cursor: Schema.Json | undefined) => {
      const values = cursor === undefined ? [] : [{ kind, key, value: JSON.stringify(cursor) }]
      return store.commit({ lease, appends, cursors: { life, values } }).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            if (cursor !== undefined) this.cursors.set(name, cursor)
          })
        ),
        Effect.catchTag("Fenced", (error) => {
          onFenced(error)
          return Effect.interrupt
        }),
        Effect.uninterruptible
      )
    }

    return {
      streamPath: path,
      key,
      idempotencyKey: Sha256.base64Url(identity),
      cursor: Effect.sync(() => this.cursors.get(name)),
      moveCursor: (value) => Effect.orDie(Effect.asVoid(commit([], value))),
      append: Effect.fnUntraced({ self: this }, function*(event, { cursor, once, streamPath } = {}) {
        const idempotencyKey = once === undefined
          ? event.idempotencyKey
          : `once/${Sha256.base64Url(`${identity}${once}`)}`
        const named = idempotencyKey === undefined ? event : { ...event, idempotencyKey }
        const request = yield* Emission.append(origin, named, streamPath, maxHops)
        const recorded = commit([request], cursor)
        const [appended] = yield* once === undefined
          ? recorded
          : Effect.catchTag(recorded, "IdempotencyConflict", (error) =>
            // An earlier attempt recorded this fact with other words: that one stands, and the cursor moves behind it.
            Effect.andThen(
              cursor === undefined ? Effect.void : commit([], cursor),
              Effect.map(
                store.read(request.path, { after: error.offset - 1, before: error.offset + 1 }),
                ({ lines }) => [{ lines, known: true }]
              )
            ))
        const [line] = appended?.lines ?? []
        return line === undefined ? yield* Effect.die("An append returned no event") : EventText.decode(line)
      })
    }
  }
}

const nameOf = (kind: string, key: string): string => JSON.stringify([kind, key])

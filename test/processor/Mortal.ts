/**
 * A server that is killed at one step of its loop: from then on nothing that it does has any effect, and no answer
 * reaches it, nor does it give its lease back. What stays of it in memory is never stopped, as nobody stops a process
 * that was killed.
 */
import { Effect, Layer, Scope } from "effect"
import type { Streams } from "../../src/domain/Streams.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import type { Commit } from "../../src/log/EventStore.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import type { Log } from "../../src/testing/TestHost.ts"
import { TestHost } from "../../src/testing/TestHost.ts"

export class Mortal {
  isDead = false
  private readonly at: string
  private readonly turn: number
  private passed = 0

  /** Dies at a step, such as `before commit`, when it comes there the given time. */
  constructor(at: string, turn = 1) {
    this.at = at
    this.turn = turn
  }

  /** Passes a step, or dies there. */
  readonly step = (name: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (name === this.at) this.passed += 1
      if (name === this.at && this.passed === this.turn) this.isDead = true
      return this.isDead ? Effect.never : Effect.void
    })

  private readonly around = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    this.step(`before ${name}`).pipe(Effect.andThen(effect), Effect.tap(() => this.step(`after ${name}`)))

  /** Runs processors on the log in scope until it dies. */
  readonly live = (
    processors: Layer.Layer<never, never, Processors | Streams | Log>
  ): Effect.Effect<void, never, Log> =>
    Effect.gen({ self: this }, function*() {
      const { around } = this
      const store = yield* EventStore
      const checkpoints = yield* Checkpoints
      const layer = Layer.fresh(processors.pipe(Layer.provideMerge(TestHost.layerOver())))
      yield* Effect.scopedWith(() => Layer.buildWithScope(layer, Scope.makeUnsafe())).pipe(
        Effect.provideService(EventStore, {
          ...store,
          read: (path, options) => around("read", store.read(path, options)),
          commit: (commit) => around(kindOf(commit), store.commit(commit))
        }),
        Effect.provideService(Checkpoints, {
          ...checkpoints,
          register: (registration) => around("register", checkpoints.register(registration)),
          claim: (...args) => around("claim", checkpoints.claim(...args)),
          release: (lease) => around("release", checkpoints.release(lease)),
          advance: (lease) => around("advance", checkpoints.advance(lease)),
          undone: (...args) => around("undone", checkpoints.undone(...args)),
          open: (...args) => around("open", checkpoints.open(...args))
        }),
        Effect.forkDetach
      )
    })
}

/** What a commit is for. */
const kindOf = ({ appends, checkpoint }: Commit): string => {
  if (checkpoint === undefined) return appends.length === 0 ? "cursor" : "append"
  if (checkpoint.parked !== undefined) return "park"
  return appends.length > 0 ? "commit" : checkpoint.fibers.includes("Done") ? "end" : "checkpoint"
}

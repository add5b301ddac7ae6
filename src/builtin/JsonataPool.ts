/** The processes that evaluate JSONata, one for each turn at a time: started when they are needed, ended when not. */
import { Clock, Effect, Schedule } from "effect"
import type { Scope } from "effect"
import * as Outage from "../log/Outage.ts"
import { JsonataProcess } from "./JsonataProcess.ts"

/** A process that had no turn for so long is ended, in milliseconds: it holds 90 MB. It may be twice as long. */
const idleMillis = 60_000
/** Pauses between tries to start one, as long as the machine has no room for it. */
const whileFull = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])

export class JsonataPool {
  private readonly scope: Scope.Scope
  private readonly all = new Set<JsonataProcess>()
  private readonly idle: Array<{ readonly process: JsonataProcess; readonly since: number }> = []
  private isWatched = false
  /** Whether one died lately. */
  private isWary = false
  private readonly outage = Outage.make("Starting a process for JSONata", "what needs expressions waits, trying again")

  constructor(scope: Scope.Scope) {
    this.scope = scope
  }

  /** A process of its own, for one turn; waits until there is one. Who may hang leaves the last one to the others. */
  acquire(mayHang: boolean): Effect.Effect<JsonataProcess> {
    return Effect.suspend(() => {
      if (mayHang && this.isWary && this.all.size === 1) return this.started
      // The one that was at work last: the others come to their end where one is enough.
      for (let last = this.idle.pop(); last !== undefined; last = this.idle.pop()) {
        if (last.process.isAlive) return Effect.succeed(last.process)
      }
      return this.started
    })
  }

  /** Gives it back, or what is left of it. */
  release(process: JsonataProcess): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (since) => {
      if (process.isAlive) this.idle.push({ process, since })
      else this.isWary = true
      if (this.isWatched) return Effect.void
      this.isWatched = true
      return Effect.asVoid(Effect.forkIn(this.watch, this.scope))
    })
  }

  /** Ends all of them, and waits until they are gone. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach([...this.all], (process) => process.end, { concurrency: "unbounded", discard: true })
  )

  private readonly started = Effect.suspend(() =>
    JsonataProcess.start((process) => this.all.add(process), (process) => this.all.delete(process))
  ).pipe((start) => this.outage(start), Effect.retry(whileFull), Effect.orDie)

  /** Looks from time to time for as long as there are processes. */
  private readonly watch = Effect.gen({ self: this }, function*() {
    while (this.isWary || this.all.size > 0) {
      this.isWary = false
      yield* Effect.sleep(idleMillis)
      const before = (yield* Clock.currentTimeMillis) - idleMillis
      const rested = this.idle.findIndex(({ since }) => since > before)
      const over = this.idle.splice(0, rested === -1 ? this.idle.length : rested)
      yield* Effect.forEach(over, ({ process }) => process.end, { discard: true })
    }
    this.isWatched = false
  })
}

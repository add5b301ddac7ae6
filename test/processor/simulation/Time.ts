/**
 * Virtual time, and whose turn it is: everything that processes do waits in one queue, and a seed decides what runs
 * next. So a run is the same each time, takes no real time, and a process can be stopped between any two steps.
 */
import type { Random } from "../../faults/Random.ts"

/** Something that has tasks and timers; those of one that is frozen wait, those of a dead one are dropped. */
export interface Owner {
  readonly isAlive: boolean
  readonly isFrozen: boolean
}

interface Task {
  readonly owner: Owner
  readonly run: () => void
}

export interface Timer extends Task {
  readonly at: number
}

/** How far behind the first task another may be that runs before it. */
const window = 4
/** Bound of the tasks that run at one instant: more is a loop that never rests. */
const maxTasks = 20_000

export class Time {
  /** Milliseconds since 1970. */
  now = 0
  private tasks: Array<Task> = []
  /** The next one last. */
  private timers: Array<Timer> = []
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  schedule(owner: Owner, run: () => void): void {
    if (owner.isAlive) this.tasks.push({ owner, run })
  }

  /** Runs something later; `cancel` takes it back. */
  after(owner: Owner, millis: number, run: () => void): Timer {
    const timer = { owner, run, at: this.now + millis }
    if (!owner.isAlive) return timer
    const behind = this.timers.findLastIndex(({ at }) => at > timer.at)
    this.timers.splice(behind + 1, 0, timer)
    return timer
  }

  cancel(timer: Timer): void {
    const index = this.timers.indexOf(timer)
    if (index >= 0) this.timers.splice(index, 1)
  }

  /** Forgets all of a process that died. */
  drop(owner: Owner): void {
    this.tasks = this.tasks.filter((task) => task.owner !== owner)
    this.timers = this.timers.filter((timer) => timer.owner !== owner)
  }

  /** Runs one task; false where none can run at this instant. */
  runOne(): boolean {
    const ready: Array<number> = []
    for (let i = 0; i < this.tasks.length && ready.length < window; i++) {
      if (this.tasks[i]?.owner.isFrozen === false) ready.push(i)
    }
    const [first] = ready
    if (first === undefined) return false
    const index = ready.length > 1 && this.random.whole(0, 2) === 0
      ? ready[this.random.whole(0, ready.length - 1)] ?? first
      : first
    const [task] = this.tasks.splice(index, 1)
    task?.run()
    return true
  }

  /** Runs what can run at this instant. */
  settle(): void {
    for (let tasks = 0; this.runOne(); tasks++) {
      if (tasks > maxTasks) throw new Error("liveness: something runs for ever without time passing")
    }
  }

  /** Moves on to the next timer, if it is due by then. */
  private step(until: number): boolean {
    const timer = this.timers.at(-1)
    if (timer === undefined || timer.at > until) return false
    this.timers.pop()
    this.now = Math.max(this.now, timer.at)
    this.schedule(timer.owner, timer.run)
    return true
  }

  /** Lets time pass, with all that happens meanwhile. */
  pass(millis: number): void {
    const until = this.now + millis
    this.settle()
    while (this.step(until)) this.settle()
    this.now = until
  }

  /** Runs so many tasks, with as much time as they need. */
  steps(count: number): void {
    for (let i = 0; i < count; i++) {
      if (!this.runOne() && !this.step(this.now + 2_000)) return
    }
  }
}

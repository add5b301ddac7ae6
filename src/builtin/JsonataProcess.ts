/** A process that evaluates JSONata, as its parent sees it: one turn at a time, and killed when it does not answer. */
import { Effect, Schema } from "effect"
import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { extname } from "node:path"
import type { JsonText } from "../domain/EventText.ts"

/** Longest wait for the answer of a turn, in milliseconds: it ends by itself after 300, but in a regular expression. */
export const answerMillis = 1_000
/** Longest wait until a process has started, in milliseconds: 100 by day, and a busy machine takes its time. */
const startMillis = 30_000

/** Most bytes of a process's heap: it needs 10, and a turn with its answer 10 more. */
export const maxHeap = 64 * 1024 * 1024

/** One expression, and what it is evaluated for. */
export interface Turn {
  readonly id: number
  readonly expression: string
  readonly inputs: ReadonlyArray<JsonText>
}

/** JSON, nothing at all, or why it failed. */
const Outcome = Schema.Struct({ json: Schema.optionalKey(Schema.String), failed: Schema.optionalKey(Schema.String) })
export type Outcome = typeof Outcome.Type

/** The first inputs' outcomes, one at least: what is left is another turn, of another process after the last one. */
const Answer = Schema.Struct({ id: Schema.Int, outcomes: Schema.Array(Outcome), isLast: Schema.Boolean })
export type Answer = typeof Answer.Type
const isAnswer = Schema.is(Answer)

/** The same folder and the same ending, so that it is found in the sources as in what was built of them. */
const worker = new URL(`./JsonataWorker${extname(import.meta.url)}`, import.meta.url)

/** Its memory is small, it sees no environment, and neither writes files nor starts programs. */
const execArgv = [
  `--max-old-space-size=${maxHeap / 1024 / 1024}`,
  "--disallow-code-generation-from-strings",
  "--disable-proto=delete",
  "--permission",
  "--allow-fs-read=*",
  "--allow-worker"
]

export class JsonataProcess {
  /** Whether it takes turns; false from the moment on when it is killed. */
  isAlive = true
  private readonly child: ChildProcess
  private heard: ((outcomes: ReadonlyArray<Outcome> | undefined) => void) | undefined
  private turns = 0

  private constructor(onGone: () => void) {
    this.child = fork(worker, [String(maxHeap)], {
      execArgv,
      env: {},
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"]
    })
    const gone = () => {
      this.isAlive = false
      onGone()
      this.hear(undefined)
    }
    this.child.once("exit", gone).once("error", gone)
    this.child.on("message", (message) => {
      if (!isAnswer(message) || message.id !== this.turns) return
      if (message.isLast) this.kill()
      this.hear(message.outcomes)
    })
    this.child.unref()
    this.child.channel?.unref()
  }

  /** Starts one and waits until it takes turns, or `undefined` where it does not; `onGone` hears of its end. */
  static start(
    onStart: (process: JsonataProcess) => void,
    onGone: (process: JsonataProcess) => void
  ): Effect.Effect<JsonataProcess | undefined> {
    return Effect.suspend(() => {
      const process: JsonataProcess = new JsonataProcess(() => onGone(process))
      onStart(process)
      return Effect.map(process.answer(startMillis), (started) => started === undefined ? undefined : process)
    })
  }

  /** The outcomes of the first inputs, or `undefined` where the process died of them. Interrupted, it is killed. */
  take(expression: string, inputs: ReadonlyArray<JsonText>): Effect.Effect<ReadonlyArray<Outcome> | undefined> {
    return Effect.suspend(() => {
      const turn: Turn = { id: ++this.turns, expression, inputs }
      // What can not be sent is not answered: its process is gone, or is going to be.
      this.child.send(turn, (error) => error === null || this.kill())
      return this.answer(answerMillis)
    })
  }

  /** Ends it at once. */
  kill(): void {
    this.isAlive = false
    this.child.kill("SIGKILL")
  }

  /** Ends it, and waits until it is gone. */
  readonly end: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined) {
      return resume(Effect.void)
    }
    this.child.once("exit", () => resume(Effect.void))
    // It must not be the reason to stay, but whoever waits for its end waits for it.
    this.child.ref()
    this.kill()
  })

  private hear(outcomes: ReadonlyArray<Outcome> | undefined): void {
    const heard = this.heard
    this.heard = undefined
    heard?.(outcomes)
  }

  private answer(millis: number): Effect.Effect<ReadonlyArray<Outcome> | undefined> {
    return Effect.callback((resume) => {
      // The machine's clock and not Effect's: what runs there does not stand still in a test either.
      const timer = setTimeout(() => this.kill(), millis)
      this.heard = (outcomes) => {
        clearTimeout(timer)
        resume(Effect.succeed(outcomes))
      }
      if (this.child.exitCode !== null || this.child.signalCode !== null) this.hear(undefined)
      return Effect.sync(() => {
        clearTimeout(timer)
        this.heard = undefined
        this.kill()
      })
    })
  }
}

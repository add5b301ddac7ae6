/** A process that evaluates JSONata, as its parent sees it: one turn at a time, and killed when it does not answer. */
import { Data, Effect, Schema } from "effect"
import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { extname } from "node:path"
import type { JsonText } from "../domain/EventText.ts"

/** Longest wait until a process has started, in milliseconds: 100 by day, and a busy machine takes its time. */
const startMillis = 30_000

/** Most MiB of a process's heap: it needs 10, and a turn with its answer 10 more. */
const maxHeap = 64

/** One expression, and what it is evaluated for. */
export interface Turn {
  readonly id: number
  readonly expression: string
  readonly inputs: ReadonlyArray<JsonText>
}

/** JSON, nothing at all, or why it failed. */
const Outcome = Schema.Struct({ json: Schema.optionalKey(Schema.String), failed: Schema.optionalKey(Schema.String) })
export type Outcome = typeof Outcome.Type

/** The first inputs' outcomes, one at least: what is left is another turn. Slow is where one took a whole turn. */
const Answer = Schema.Struct({ id: Schema.Int, outcomes: Schema.Array(Outcome), isSlow: Schema.Boolean })
export type Answer = typeof Answer.Type
const isAnswer = Schema.is(Answer)

/** The same folder and the same ending, so that it is found in the sources as in what was built of them. */
const worker = new URL(`./JsonataWorker${extname(import.meta.url)}`, import.meta.url)

/** Its memory is small, it sees no environment, and neither writes files nor starts programs. */
const execArgv = [
  `--max-old-space-size=${maxHeap}`,
  "--disallow-code-generation-from-strings",
  "--disable-proto=delete",
  "--permission",
  "--allow-fs-read=*",
  "--allow-worker"
]

/** It could not be made, or ended before it took turns. */
export class NotStarted extends Data.TaggedError("NotStarted")<{ readonly cause: unknown }> {
  override get message() {
    return "A process for JSONata did not start: see whether this user may start more, and the machine has memory left"
  }
}

export class JsonataProcess {
  /** Whether it takes turns; false from the moment on when it is killed. */
  isAlive = true
  private readonly child: ChildProcess
  private heard: ((answer: Answer | undefined) => void) | undefined
  private turns = 0
  /** Its exit code, or why it could not be started. */
  private failure: unknown

  private constructor(onGone: () => void) {
    this.child = fork(worker, {
      execArgv,
      env: {},
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"]
    })
    const gone = (why: unknown) => {
      this.isAlive = false
      this.failure = why
      onGone()
      this.hear(undefined)
    }
    this.child.once("exit", gone).on("error", gone)
    this.child.on("message", (message) => {
      if (!isAnswer(message) || message.id !== this.turns) return
      this.hear(message)
    })
    this.child.unref()
    this.child.channel?.unref()
  }

  /** Starts one and waits until it takes turns; `onGone` hears of its end. */
  static start(
    onStart: (process: JsonataProcess) => void,
    onGone: (process: JsonataProcess) => void
  ): Effect.Effect<JsonataProcess, NotStarted> {
    return Effect.gen(function*() {
      const process: JsonataProcess = yield* Effect.try({
        try: () => new JsonataProcess(() => onGone(process)),
        catch: (cause) => new NotStarted({ cause })
      })
      onStart(process)
      const ready = yield* process.answer(startMillis)
      return ready === undefined ? yield* new NotStarted({ cause: process.failure }) : process
    })
  }

  /** Answers for the first inputs, or `undefined` where the process died of them. Interrupted, it is killed. */
  take(expression: string, inputs: ReadonlyArray<JsonText>, millis: number): Effect.Effect<Answer | undefined> {
    return Effect.suspend(() => {
      const turn: Turn = { id: ++this.turns, expression, inputs }
      // What can not be sent is not answered: its process is gone, or is going to be.
      this.child.send(turn, (error) => error === null || this.kill())
      return this.answer(millis)
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

  private hear(answer: Answer | undefined): void {
    const heard = this.heard
    this.heard = undefined
    heard?.(answer)
  }

  private answer(millis: number): Effect.Effect<Answer | undefined> {
    return Effect.callback((resume) => {
      // The machine's clock and not Effect's: what runs there does not stand still in a test either.
      const timer = setTimeout(() => this.kill(), millis)
      this.heard = (answer) => {
        clearTimeout(timer)
        resume(Effect.succeed(answer))
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

/** How far something long has come, on standard error: a line that changes on a terminal, else one now and then. */
import { Clock, Effect, Stdio } from "effect"
import * as Output from "./Output.ts"

/** Between two updates, in milliseconds: on a terminal as the eye follows, in a file as a log is read. */
const terminalMillis = 200
const logMillis = 10_000

export interface Progress {
  /** Tells the latest, if it is time. */
  readonly update: (text: () => string) => Effect.Effect<void>
  /** Leaves the line as the output goes on. */
  readonly end: Effect.Effect<void>
}

export const make = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const isTerminal = yield* stdio.stderrIsTerminal
  const start = yield* Clock.currentTimeMillis
  // A short run in a file tells its end alone.
  let told = isTerminal ? Number.NEGATIVE_INFINITY : start
  let isOpen = false
  // Progress that cannot be told must not end what it tells of.
  const write = (text: string) =>
    Output.note(text).pipe(
      Effect.catch((error) => Effect.logDebug(`No progress: ${error.message}`)),
      Effect.provideService(Stdio.Stdio, stdio)
    )
  return {
    update: (text) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if (now - told < (isTerminal ? terminalMillis : logMillis)) return
        told = now
        isOpen = isTerminal
        yield* write(isTerminal ? `\r\u001b[K${text()}` : `${text()}\n`)
      }),
    end: Effect.suspend(() => isOpen ? write("\r\u001b[K") : Effect.void)
  } satisfies Progress
})

/**
 * JSONata over events, bounded in time and memory: expressions come from whoever may append, so they run in processes
 * of their own, which are killed when one of them does not end. Known limit: an evaluation that a busy machine keeps
 * from running for long counts as one that takes too long.
 */
import { Clock, Context, Effect, Layer, Semaphore } from "effect"
import type { Schema } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import { problem } from "../domain/Jsonata.ts"
import type { Outcome } from "./JsonataProcess.ts"
import { answerMillis, JsonataProcess } from "./JsonataProcess.ts"

/** Most processes: with two of them one slow expression does not stop all others. */
const maxProcesses = 2
/** Characters of inputs behind which a turn ends, with one at least: they are in the process's memory together. */
const maxTurn = 2 * 1024 * 1024
/** Most processes that die of one call before it waits: in a turn of many the first does not say which input it was. */
const maxDeaths = 3
/** How long an expression waits that a process died of, in milliseconds: others must not wait for new ones for ever. */
const stoppedMillis = 10_000
/** Most expressions of which that is known; then the oldest is forgotten. With their texts 8 MiB. */
const maxStopped = 500

/** What an expression made of one input: `undefined` where nothing matched. */
export type Evaluated =
  | { readonly _tag: "Value"; readonly value: Schema.Json | undefined }
  | { readonly _tag: "Failed"; readonly message: string }

const failed = (message: string): Evaluated => ({ _tag: "Failed", message })

const evaluated = ({ failed: message, json }: Outcome): Evaluated =>
  message === undefined ? { _tag: "Value", value: json === undefined ? undefined : JSON.parse(json) } : failed(message)

const tooMuch = failed(
  `The expression was stopped: it took longer than ${answerMillis} ms, or more memory than there is for one`
)
export class Jsonata extends Context.Service<Jsonata, {
  /**
   * Evaluates an expression for each of some texts, in order: one that fails or takes too long harms no other. Waits for
   * its turn, and where the same expression had to be stopped before, for some seconds.
   */
  readonly evaluate: (expression: string, inputs: ReadonlyArray<JsonText>) => Effect.Effect<ReadonlyArray<Evaluated>>
}>()("millstream/builtin/Jsonata") {
  /** Processes start with the first evaluations, and end with the scope. */
  static readonly layer = Layer.effect(Jsonata, Effect.gen(function*() {
    const places = yield* Semaphore.make(maxProcesses)
    const stopped = new Map<string, number>()
    const processes = new Set<JsonataProcess>()
    const idle: Array<JsonataProcess> = []
    let isClosed = false

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        isClosed = true
        return Effect.forEach([...processes], (process) => process.end, { concurrency: "unbounded", discard: true })
      })
    )

    const start = JsonataProcess.start((process) => processes.add(process), (process) => processes.delete(process))
    const acquire = Effect.gen(function*() {
      if (isClosed) return yield* Effect.interrupt
      for (let process = idle.pop(); process !== undefined; process = idle.pop()) if (process.isAlive) return process
      const started = yield* start
      if (started !== undefined) return started
      return yield* isClosed ? Effect.interrupt : Effect.die(new Error("The process for JSONata did not start"))
    })

    /** Waits until an expression that had to be stopped may be tried again. */
    const released = Effect.fnUntraced(function*(expression: string) {
      for (let until = stopped.get(expression) ?? 0;; until = stopped.get(expression) ?? 0) {
        const millis = until - (yield* Clock.currentTimeMillis)
        if (millis <= 0) return
        yield* Effect.sleep(millis)
      }
    })

    /** One turn; `undefined` where the process died of it, "stopped" where it has to wait. */
    const turn = (expression: string, inputs: ReadonlyArray<JsonText>, isAgain: boolean) =>
      places.withPermit(Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        // Asked here too, since another call may have died of it while this one waited for its place.
        if (!isAgain && (stopped.get(expression) ?? 0) > now) return "stopped"
        const process = yield* acquire
        const outcomes = yield* Effect.ensuring(
          process.take(expression, inputs),
          Effect.sync(() => process.isAlive && idle.push(process))
        )
        if (outcomes !== undefined || isClosed) return outcomes
        stopped.delete(expression)
        stopped.set(expression, (yield* Clock.currentTimeMillis) + stoppedMillis)
        const oldest = stopped.size <= maxStopped ? undefined : stopped.keys().next().value
        if (oldest !== undefined) stopped.delete(oldest)
        return undefined
      }))

    const evaluateAll = Effect.fnUntraced(function*(expression: string, inputs: ReadonlyArray<JsonText>) {
      const results: Array<Evaluated> = []
      let deaths = 0
      while (results.length < inputs.length) {
        const isAgain = deaths % maxDeaths > 0
        if (!isAgain) yield* released(expression)
        // Once one has died of it, one at a time, to find the input that is to blame.
        const next = deaths === 0 ? turnOf(inputs, results.length) : inputs.slice(results.length, results.length + 1)
        const outcomes = yield* turn(expression, next, isAgain)
        if (outcomes === "stopped") continue
        if (outcomes === undefined) {
          deaths++
          if (next.length === 1) results.push(tooMuch)
        } else for (const outcome of outcomes) results.push(evaluated(outcome))
      }
      return results
    })

    return Jsonata.of({
      evaluate: (expression, inputs) =>
        Effect.suspend(() => {
          const wrong = problem(expression)
          return wrong === undefined
            ? evaluateAll(expression, inputs)
            : Effect.succeed(inputs.map(() => failed(`The expression ${wrong}`)))
        })
    })
  }))
}

/** As many of the inputs from `start` on as one turn takes. */
const turnOf = (inputs: ReadonlyArray<JsonText>, start: number): ReadonlyArray<JsonText> => {
  let length = inputs[start]?.length ?? 0
  let end = start + 1
  for (; end < inputs.length; end++) {
    length += inputs[end]?.length ?? 0
    if (length > maxTurn) break
  }
  return inputs.slice(start, end)
}

/** JSONata's own idea of truth, that of `$boolean`; nothing at all is not true. */
export const isTrue = (value: Schema.Json | undefined): boolean => {
  if (Array.isArray(value)) return value.some((element: Schema.Json) => isTrue(element))
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value)
}

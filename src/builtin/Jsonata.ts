/**
 * JSONata over events, bounded in time and memory: expressions come from whoever may append, so they run in processes
 * of their own, which are killed when one of them does not end. Known limits: an evaluation that a busy machine keeps
 * from running for long counts as one that takes too long; who makes many expressions, lets them be quick, and makes
 * each of them hang at another event keeps the others waiting for a quarter of a second each.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { Schema } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import { problem } from "../domain/Jsonata.ts"
import { JsonataPool } from "./JsonataPool.ts"
import type { Outcome } from "./JsonataProcess.ts"
import type { Asked } from "./JsonataQueue.ts"
import { JsonataQueue, places } from "./JsonataQueue.ts"
import type { Lane } from "./JsonataStanding.ts"
import { JsonataStanding } from "./JsonataStanding.ts"
import { JsonataSuspects } from "./JsonataSuspects.ts"

/** Characters of inputs behind which a turn ends, with one at least: they are in the process's memory together. */
const maxTurn = 2 * 1024 * 1024
/** Longest wait for an answer, in milliseconds: a turn ends by itself after 150, but in a regular expression. */
const answerMillis = 1_000
/** The same for one that is quick: the others do not wait long for it, and it is tried again among the slow ones. */
const quickMillis = 250
/** The same for the first turn of one, which has one input. */
const firstMillis = 100
/** Most processes that die of one call before it waits: in a turn of many the first does not say which input it was. */
const maxDeaths = 3

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
   * Evaluates an expression for each of some texts, in order: one that fails or takes too long harms no other. Waits
   * for its turn, and for some seconds where the same expression had to be stopped. Interrupted, it leaves a turn that
   * has begun to end by itself.
   */
  readonly evaluate: (expression: string, inputs: ReadonlyArray<JsonText>) => Effect.Effect<ReadonlyArray<Evaluated>>
}>()("millstream/builtin/Jsonata") {
  /** Processes start with the first evaluations, and end with the scope. */
  static readonly layer = Layer.effect(Jsonata, Effect.gen(function*() {
    const standing = new JsonataStanding()
    const suspects = new JsonataSuspects()
    const queue = new JsonataQueue()
    const pool = new JsonataPool(yield* Effect.scope)
    yield* Effect.addFinalizer(() => Effect.andThen(queue.close, pool.close))

    /** Where these inputs wait: what may hang does not among those that are quick. */
    const laneOf = (key: string, inputs: ReadonlyArray<JsonText>, now: number): Lane => {
      const lane = standing.laneOf(key)
      return lane === "quick" && suspects.has(inputs, now) ? "slow" : lane
    }

    const answer = Effect.fnUntraced(function*(asked: Asked) {
      const { expression, inputs, isAgain, key, lane } = asked
      const before = yield* Clock.currentTimeMillis
      // Another call may have shown what it is while this one waited.
      if (lane !== "slow" && laneOf(key, inputs, before) === "slow") return "later"
      if (!isAgain && standing.heldUntil(key) > before) return "later"
      const process = yield* pool.acquire(lane !== "quick")
      const millis = lane === "slow" ? answerMillis : lane === "quick" ? quickMillis : firstMillis
      const given = asked.isLeft ? "left" : yield* process.take(expression, inputs, millis)
      yield* pool.release(process)
      if (given === "left") return "later"
      const now = yield* Clock.currentTimeMillis
      if (given !== undefined) standing.ended(key, now, given.isSlow)
      else if (lane === "slow") standing.stopped(key, now)
      else {
        standing.overran(key)
        if (lane === "quick") suspects.add(inputs, now)
      }
      return given?.outcomes ?? "died"
    })
    for (const place of places) {
      yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
        const asked = yield* queue.take(place)
        asked.answer(yield* Effect.exit(answer(asked)))
      }), { disableYield: true }))
    }

    /** Waits until an expression that had to be stopped may be tried again. */
    const released = Effect.fnUntraced(function*(key: string) {
      while (true) {
        const millis = standing.heldUntil(key) - (yield* Clock.currentTimeMillis)
        if (millis <= 0) return
        yield* Effect.sleep(millis)
      }
    })

    const evaluateAll = Effect.fnUntraced(function*(expression: string, inputs: ReadonlyArray<JsonText>) {
      const key = JsonataStanding.keyOf(expression)
      const results: Array<Evaluated> = []
      let deaths = 0
      let isOne = false
      while (results.length < inputs.length) {
        const isAgain = deaths % maxDeaths > 0
        if (!isAgain) yield* released(key)
        // One at a time once a process has died of it, to find the input that is to blame; so too where it is unknown.
        isOne ||= deaths > 0 || standing.laneOf(key) === "unknown"
        const next = isOne ? inputs.slice(results.length, results.length + 1) : turnOf(inputs, results.length)
        const lane = laneOf(key, next, yield* Clock.currentTimeMillis)
        const given = yield* queue.ask({ expression, inputs: next, isAgain, key, lane })
        if (given === "later" || (given === "died" && lane !== "slow")) continue
        isOne = false
        if (given === "died") {
          deaths++
          if (next.length === 1) results.push(tooMuch)
        } else for (const outcome of given) results.push(evaluated(outcome))
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

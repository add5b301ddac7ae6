/** Expressions in real processes, which are waited for by their answer or their end, never by time. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Schema } from "effect"
import { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import { Jsonata } from "../../src/builtin/Jsonata.ts"
import type { Evaluated } from "../../src/builtin/Jsonata.ts"

/** All processes that were started here. */
export const children: Array<ChildProcess> = []
let onChild = () => {}
subscribe("child_process", (message) => {
  if (typeof message !== "object" || message === null || !("process" in message)) return
  if (!(message.process instanceof ChildProcess)) return
  children.push(message.process)
  onChild()
})
export const started = (count: number) =>
  Effect.callback<void>((resume) => {
    // The channel speaks while the process is being made: who made it goes on first.
    onChild = () => queueMicrotask(() => children.length >= count && resume(Effect.void))
    onChild()
  })
export const isEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null
export const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (isEnded(child)) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

export const value = (of: Schema.Json | undefined): Evaluated => ({ _tag: "Value", value: of })
export const messageOf = (result: Evaluated | undefined) =>
  result?._tag === "Failed" ? result.message : assert.fail(JSON.stringify(result))
export const numberOf = (result: Evaluated | undefined) =>
  result?._tag === "Value" && typeof result.value === "number" ? result.value : assert.fail(JSON.stringify(result))
export const evaluate = (expression: string, ...inputs: ReadonlyArray<unknown>) =>
  Effect.flatMap(Jsonata, (jsonata) => jsonata.evaluate(expression, inputs.map((input) => JSON.stringify(input))))
export const evaluateOne = (expression: string, input: unknown = {}) =>
  Effect.map(evaluate(expression, input), (results) => results[0])

/** Lets every other fiber take its turn. */
export const turn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Backtracks for years where the text is long. */
export const backtracking = "$contains(text, /^(a+)+$/)"
export const long = { text: `${"a".repeat(60)}!` }

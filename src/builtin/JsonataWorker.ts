/**
 * Evaluates JSONata in a process of its own, one turn after the other: V8 ends the whole process where an expression
 * wants too much memory, also when it runs in a thread. What no bound in here stops, the parent does. Known limit: the
 * process may hold a string of 512 MiB for a moment, the longest of V8.
 */
import jsonata from "jsonata"
import { setImmediate } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { isTooDeep } from "../domain/JsonText.ts"
import type { Answer, Outcome, Turn } from "./JsonataProcess.ts"

/** Bounds of one evaluation: its time in milliseconds, its depth, and the length of what it makes in between. */
const limits = { timeout: 100, stack: 500, sequence: 100_000 }
/** Most bytes of a result, about those of an event, counted in UTF-16 units. */
const maxResult = 1024 * 1024
/** A turn ends after so many milliseconds, so that others get theirs; what is left comes again. */
const turnMillis = 50
/** A turn ends behind so many characters of results, so that they fit into memory. */
const maxAnswer = 1024 * 1024
/** Most expressions that are kept compiled: 100 KiB each at worst. */
const maxCompiled = 100
/** Most characters of a message: some quote the data. */
const maxMessage = 500

const compiled = new Map<string, jsonata.Expression>()

const compile = (text: string): jsonata.Expression => {
  const expression = compiled.get(text) ?? jsonata(text, limits)
  // Behind all others: the first one is that which was not used for longest.
  compiled.delete(text)
  compiled.set(text, expression)
  const oldest = compiled.size <= maxCompiled ? undefined : compiled.keys().next().value
  if (oldest !== undefined) compiled.delete(oldest)
  return expression
}

const onlyJson = (_name: string, value: unknown): unknown => {
  if (typeof value === "function" || typeof value === "symbol") throw new Error("The result has a function in it")
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("A number of the result is not finite")
  return value
}

const textOf = (value: unknown): Outcome => {
  const json: string | undefined = JSON.stringify(value, onlyJson)
  if (json === undefined) return {}
  if (json.length > maxResult) return { failed: `The result has more than ${maxResult} characters` }
  if (isTooDeep(json)) return { failed: "The result is nested too deeply" }
  return { json }
}

const messageOf = (error: unknown): string => {
  const hasMessage = typeof error === "object" && error !== null && "message" in error
  const message = String(hasMessage ? error.message : error)
  return message.length > maxMessage ? `${message.slice(0, maxMessage)}…` : message
}

const evaluate = async (expression: string, input: string): Promise<Outcome> => {
  try {
    const value: unknown = await compile(expression).evaluate(JSON.parse(input))
    return textOf(value)
  } catch (error) {
    // The members of an object are evaluated side by side: those beside the failed one are let end, for they would
    // take the next input's time.
    await setImmediate()
    return { failed: messageOf(error) }
  }
}

const take = async ({ expression, id, inputs }: Turn): Promise<Answer> => {
  const until = performance.now() + turnMillis
  const outcomes: Array<Outcome> = []
  let length = 0
  let isSlow = false
  for (const input of inputs) {
    const start = performance.now()
    const outcome = await evaluate(expression, input)
    outcomes.push(outcome)
    length += outcome.json?.length ?? 0
    const now = performance.now()
    isSlow ||= now - start > turnMillis
    if (length > maxAnswer || now > until) break
  }
  return { id, outcomes, isSlow }
}

const isTurn = (message: unknown): message is Turn =>
  typeof message === "object" && message !== null && "inputs" in message && "expression" in message && "id" in message

process.on("message", (message) => {
  if (!isTurn(message)) throw new Error("This process takes nothing but turns")
  void take(message).then((answer) => process.send?.(answer))
})
process.on("disconnect", () => process.exit())

// A process that is busy does not hear that its parent is gone: a thread looks, so that nothing runs on for ever.
const watch = `
const { workerData } = require("node:worker_threads")
const parentIsThere = () => {
  try {
    return process.ppid === workerData && process.kill(workerData, 0)
  } catch {
    return false
  }
}
setInterval(() => parentIsThere() || process.kill(process.pid, "SIGKILL"), 1000)`
const ready: Answer = { id: 0, outcomes: [], isSlow: false }
new Worker(watch, { eval: true, workerData: process.ppid }).once("online", () => process.send?.(ready)).unref()

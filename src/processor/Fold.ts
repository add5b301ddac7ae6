/**
 * Folds events into a processor's state. Here a processor's types end: what a list of event types, reducers and
 * hooks share is a name, which the compiler checked where they were written and can not follow here.
 */
import { Option, Schema } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import type * as EventType from "../domain/EventType.ts"
import type { Asked, Checkpoint, Effectful, FiberTools, Folding, HookTools, Step } from "./Folding.ts"
import * as PlainData from "./PlainData.ts"
import * as StateSize from "./StateSize.ts"

/* oxlint-disable typescript/no-explicit-any -- the compiler checked these by name where they were written */
type Reduce<State> = (state: State, event: any) => State
type AfterAppend<State> = (event: any, hook: HookTools & { readonly state: State; readonly previous: State }) => Effectful
type Run<State> = (input: any, fiber: FiberTools & { readonly state: State }) => Effectful
type Kind<State> = Run<State> | { readonly whilePaused: boolean; readonly run: Run<State> }
/* oxlint-enable typescript/no-explicit-any */

/** A definition: schemas and pure functions, by the names of event types. */
export interface Body<State, Consumes extends EventType.Any, Emits extends EventType.Any> {
  readonly name: string
  readonly version: number
  readonly state: Schema.ConstraintCodec<State, unknown>
  readonly initial: State
  readonly consumes: ReadonlyArray<Consumes>
  readonly emits: ReadonlyArray<Emits>
  readonly reducers: { readonly [type: string]: Reduce<State> }
}

/** The work that a state calls for, by the names of its kinds. */
export interface Wanted<State> {
  readonly [kind: string]: (state: State) => { readonly [key: string]: unknown }
}

/** What happens, by the names of event types and kinds. */
export interface Reactions<State> {
  readonly afterAppend?: { readonly [type: string]: AfterAppend<State> | undefined } | undefined
  readonly fibers?: { readonly [kind: string]: Kind<State> } | undefined
}

interface Consumer<State> {
  readonly decode: (payload: Schema.Json) => Option.Option<unknown>
  readonly explain: (payload: Schema.Json) => string
  readonly reduce: Reduce<State>
  readonly hook: AfterAppend<State> | undefined
}

const passed: Step = { _tag: "Passed" }

/** How to begin a folding, at a checkpoint or at the very beginning. */
export const make = <State, Consumes extends EventType.Any, Emits extends EventType.Any>(
  body: Body<State, Consumes, Emits>,
  wanted: Wanted<State>,
  reactions: Reactions<State> = {}
): (checkpoint?: Checkpoint) => Folding => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(body.state))
  const encode = Schema.encodeSync(codec)
  const decode = Schema.decodeSync(codec)
  const consumers = new Map<string, Consumer<State>>()
  for (const { payload, type } of body.consumes) {
    const reduce = own(body.reducers, type)
    if (consumers.has(type)) throw new Error(`${body.name} consumes ${type} twice`)
    if (reduce === undefined) throw new Error(`${body.name} consumes ${type} but has no reducer for it`)
    const decoder = Schema.toCodecJson(payload)
    const decodeExit = Schema.decodeUnknownResult(decoder)
    consumers.set(type, {
      decode: Schema.decodeUnknownOption(decoder),
      explain: (value) => {
        const result = decodeExit(value)
        return result._tag === "Failure" ? result.failure.message.replaceAll(/\s+/g, " ") : ""
      },
      reduce,
      hook: own(reactions.afterAppend, type)
    })
  }
  const every = consumers.get("*")
  const kinds = Object.entries(wanted).map(([kind, ask]) => ({ kind, ask, ...running(own(reactions.fibers, kind)) }))

  return (checkpoint) => {
    let state = checkpoint === undefined ? body.initial : decode(checkpoint.state)
    let askedOf: State | undefined
    let asked: ReadonlyMap<string, Asked> = new Map()
    let inputs: ReadonlyMap<string, unknown> = new Map()

    const fold = (decoded: unknown, { hook, reduce }: Consumer<State>, isStrict: boolean): Step => {
      const previous = state
      const folded = reduce(previous, decoded)
      if (isStrict) {
        const wrong = StateSize.problem(encode(folded))
        if (wrong !== undefined) throw new Error(wrong)
      }
      state = folded
      return {
        _tag: "Folded",
        hook: hook === undefined
          ? undefined
          : (tools) => hook(decoded, { ...tools, state: folded, previous })
      }
    }

    return {
      step: (event, isStrict = false) => {
        const consumer = consumers.get(event.type)
        if (consumer === undefined) return every === undefined ? passed : fold(event, every, isStrict)
        const payload = consumer.decode(event.payload)
        return Option.isNone(payload)
          ? { _tag: "Misfit", message: consumer.explain(event.payload) }
          : fold({ ...event, payload: payload.value }, consumer, isStrict)
      },
      state: () => encode(state),
      freeze: () => {
        const frozen = state
        let text: JsonText | undefined
        return { text: () => text ??= encode(frozen) }
      },
      asked: () => {
        if (askedOf === state && askedOf !== undefined) return asked
        const current = state
        const next = new Map<string, Asked>()
        const values = new Map<string, unknown>()
        for (const { ask, kind, run, whilePaused } of kinds) {
          for (const [key, input] of Object.entries(ask(current))) {
            const name = JSON.stringify([kind, key])
            const before = inputs.has(name) && inputs.get(name) === input ? asked.get(name) : undefined
            values.set(name, input)
            // What is the very same value has the same text: states share most of what they ask for.
            next.set(name, before ?? {
              kind,
              key,
              input: PlainData.text(input, ["fibers", kind, key]),
              whilePaused,
              run: run === undefined ? undefined : (tools) => run(input, { ...tools, state })
            })
          }
        }
        // Together and last: where an input is refused, what was asked before stays as it was.
        askedOf = current
        asked = next
        inputs = values
        return asked
      }
    }
  }
}

/** What stands under a name, were it `constructor`: event types and kinds are any text. */
const own = <A>(named: { readonly [name: string]: A } | undefined, name: string): A | undefined =>
  named !== undefined && Object.hasOwn(named, name) ? named[name] : undefined

const running = <State>(kind: Kind<State> | undefined) =>
  kind === undefined
    ? { run: undefined, whilePaused: false }
    : typeof kind === "function"
    ? { run: kind, whilePaused: false }
    : kind

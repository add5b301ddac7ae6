/** Plays a scenario: folds what is given, then one event with its hook. All that is seen of it is JSON. */
import { Clock, Effect } from "effect"
import type { Schema } from "effect"
import * as assert from "node:assert"
import * as Control from "../domain/ControlEvent.ts"
import type { Event } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import { parsePath, propose } from "../domain/Proposing.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Emission from "../processor/Emission.ts"
import type * as Folding from "../processor/Folding.ts"
import * as PlainData from "../processor/PlainData.ts"
import type { Any } from "../processor/Processor.ts"
import type { Asked, Emitted, Given, Misfit } from "./Scenario.ts"

/** What came of it. */
export interface Played {
  readonly state: Schema.Json
  readonly emitted: ReadonlyArray<Emitted<string>>
  readonly asked: ReadonlyArray<Asked<string, Schema.Json>>
  readonly misfits: ReadonlyArray<Misfit>
}

/** Fails as the hook does, or where the log would refuse what it emitted. */
export const play = Effect.fnUntraced(function*(
  processor: Any,
  streamPath: string,
  given: ReadonlyArray<Given>,
  event: Given
) {
  const path = yield* parsePath(streamPath)
  const now = yield* Clock.currentTimeMillis
  const before = [Control.Initialized.make({ path }), ...given]
  const history = before.map((each, index) => record(each, path, index + 1, now))
  const next = record(event, path, history.length + 1, now)

  const folding = processor.fold()
  const misfits = history.flatMap((each) => misfit(each, folding.step(each)))
  const checkpoint = { state: folding.state() }
  const step = folding.step(next)
  const after = seen(folding)
  verify(processor, [...history, next], checkpoint, after)

  const hook = step._tag === "Folded" && !Emission.isAbout(next, processor.name) ? step.hook : undefined
  const emitted = hook === undefined ? [] : yield* react(hook, processor, next)
  const played: Played = { ...after, emitted, misfits: [...misfits, ...misfit(next, step)] }
  return played
})

/** The event as it is read from the log, so that a reducer sees what it will see there. */
const record = ({ cause, createdAt, ...input }: Given, streamPath: StreamPath, offset: number, now: number): Event =>
  EventText.decode(EventText.encode({
    ...EventText.propose(input),
    offset,
    streamPath,
    cause,
    createdAt: createdAt?.epochMilliseconds ?? now
  }))

const misfit = ({ offset }: Event, step: Folding.Step): ReadonlyArray<Misfit> =>
  step._tag === "Misfit" ? [{ offset, message: step.message }] : []

const seen = (folding: Folding.Folding): Pick<Played, "state" | "asked"> => ({
  state: JSON.parse(folding.state()),
  asked: inOrder([...folding.asked().values()].map(({ input, key, kind }) => ({ kind, key, input: JSON.parse(input) })))
})

/** By kind and key, with inputs as JSON. */
export const inOrder = (all: ReadonlyArray<Asked<string, unknown>>): Played["asked"] =>
  all.map(({ input, key, kind }) => ({ kind, key, input: JSON.parse(PlainData.text(input, [kind, key])) }))
    .sort((a, b) => PlainData.text([a.kind, a.key]) < PlainData.text([b.kind, b.key]) ? -1 : 1)

/** That folding once more, from the start and from the checkpoint, comes to the same. */
const verify = (
  { fold, name }: Any,
  events: ReadonlyArray<Event>,
  checkpoint: Folding.Checkpoint,
  after: Pick<Played, "state" | "asked">
): void => {
  const again = fold()
  for (const event of events) again.step(event)
  const impure = `${name} is not pure: the same events, folded again, come to another state`
  assert.deepStrictEqual(seen(again), after, impure)
  const resumed = fold(checkpoint)
  for (const event of events.slice(-1)) resumed.step(event)
  const lost = `${name} comes to another state after a restart: the schema of its state does not keep all of it`
  assert.deepStrictEqual(seen(resumed), after, lost)
}

const react = Effect.fnUntraced(function*(
  hook: (tools: Folding.HookTools) => Folding.Effectful,
  processor: Any,
  { offset, streamPath }: Event
) {
  const emitted: Array<Emitted<string>> = []
  yield* Effect.scoped(hook({
    streamPath,
    idempotencyKey: `${processor.name}${streamPath}/${offset}`,
    emit: (event, options) =>
      Effect.map(parsePath(options?.streamPath ?? streamPath), (target) => {
        emitted.push(plain({ ...event, streamPath: target }, streamPath))
      })
  }))
  // Not where it is emitted: a hook can not answer for what the log refuses.
  yield* Effect.forEach(emitted, propose, { discard: true })
  return emitted
})

/** An emitted event as JSON, without the path of the stream it is on anyway. */
export const plain = (event: Emitted<string>, own: string): Emitted<string> => {
  const { idempotencyKey, metadata, payload, streamPath, type } = event
  return JSON.parse(JSON.stringify({
    streamPath: streamPath === own ? undefined : streamPath,
    type,
    payload,
    metadata,
    idempotencyKey
  }))
}

/**
 * What happens to the log and its processors in one run: what clients and persons do, and what befalls processes. The
 * small things, such as which task runs next, are drawn from the seed.
 */
import * as fc from "fast-check"
import * as Control from "../../../src/domain/ControlEvent.ts"
import * as EventText from "../../../src/domain/EventText.ts"
import type { Made } from "../../../src/domain/EventType.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Change } from "../../../src/log/Checkpoints.ts"
import * as Random from "../../faults/Random.ts"
import * as Invariants from "./Invariants.ts"
import * as Model from "./Model.ts"
import * as Rest from "./Rest.ts"
import * as Variants from "./Variants.ts"
import type { Fortune } from "./World.ts"
import { World } from "./World.ts"

export type Action =
  | { readonly _tag: "Add"; readonly stream: string; readonly amount: number }
  | { readonly _tag: "Misfit"; readonly stream: string }
  | { readonly _tag: "Set"; readonly stream: string; readonly key: string; readonly steps: number; readonly endless: boolean }
  | { readonly _tag: "Cancel"; readonly stream: string; readonly key: string }
  | { readonly _tag: "Pause" | "Resume" | "Delete"; readonly stream: string }
  | { readonly _tag: "Change"; readonly stream: string; readonly processor: string; readonly change: Change }
  /** To upgrade is to stop, and to start with the next version of each definition. */
  | { readonly _tag: "Kill" | "Freeze" | "Stop" | "Upgrade"; readonly slot: number }
  | { readonly _tag: "Wait" | "Outage"; readonly millis: number }
  | { readonly _tag: "Steps"; readonly count: number }

export interface Schedule {
  readonly seed: number
  readonly fortune: Fortune
  readonly actions: ReadonlyArray<Action>
}

const stream = fc.constantFrom("/s/a", "/s/a", "/s/b")
const key = fc.constantFrom("k", "l")
const slot = fc.nat({ max: 1 })
const changes: ReadonlyArray<Change> = [
  { _tag: "Resume" },
  { _tag: "Skip" },
  { _tag: "Refold" },
  { _tag: "ResumeFiber", kind: "work", key: "k" }
]

const weighted: ReadonlyArray<readonly [number, fc.Arbitrary<Action>]> = [
  [
    8,
    fc.record({
      _tag: fc.constant("Add"),
      stream,
      amount: fc.oneof(
        { weight: 20, arbitrary: fc.integer({ min: 1, max: 9 }) },
        { weight: 1, arbitrary: fc.constantFrom(Model.failing, Model.throwing) }
      )
    })
  ],
  [1, fc.record({ _tag: fc.constant("Misfit"), stream })],
  [5, fc.record({ _tag: fc.constant("Set"), stream, key, steps: fc.nat({ max: 2 }), endless: fc.boolean() })],
  [2, fc.record({ _tag: fc.constant("Cancel"), stream, key })],
  [1, fc.record({ _tag: fc.constantFrom("Pause", "Resume"), stream: fc.constantFrom("/s/a", Model.copies) })],
  [2, fc.record({ _tag: fc.constant("Delete"), stream })],
  [
    1,
    fc.record({
      _tag: fc.constant("Change"),
      stream,
      processor: fc.constantFrom("counter", "echo", "jobs"),
      change: fc.constantFrom(...changes)
    })
  ],
  [2, fc.record({ _tag: fc.constantFrom("Kill", "Freeze", "Freeze", "Stop", "Upgrade"), slot })],
  // Shorter than a lease holds: whoever loses that stops all that would have to wait.
  [1, fc.record({ _tag: fc.constant("Outage"), millis: fc.integer({ min: 100, max: 2_500 }) })],
  // The longest lets instances fall asleep.
  [3, fc.record({ _tag: fc.constant("Wait"), millis: fc.oneof(fc.integer({ min: 1, max: 4_000 }), fc.constant(13_000)) })],
  [6, fc.record({ _tag: fc.constant("Steps"), count: fc.integer({ min: 1, max: 60 }) })]
]

const action: fc.Arbitrary<Action> = fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })))

export const schedule: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.nat({ max: 2 ** 31 - 1 }),
  fortune: fc.record({
    away: fc.constantFrom(0, 20, 60),
    dead: fc.constantFrom(0, 5, 15),
    frozen: fc.constantFrom(0, 5, 15)
  }),
  actions: fc.array(action, { minLength: 1, maxLength: 30, size: "max" })
})

/** How many tasks run behind each action, at most. */
const maxBetween = 25

/** Runs a schedule and judges it; throws a `Violation`. */
export const run = ({ actions, fortune, seed }: Schedule, variant: Variants.Variant = Variants.sound): World => {
  const random = Random.make(seed)
  const world = new World(random, fortune, variant)
  const before = random.whole(0, 2)
  for (const action of actions.slice(0, before)) act(world, action)
  world.start()
  for (const action of actions.slice(before)) {
    act(world, action)
    world.time.steps(random.whole(0, maxBetween))
    if (world.violation !== undefined) throw world.violation
  }
  Rest.settle(world)
  Invariants.judge(world)
  if (world.violation !== undefined) throw world.violation
  return world
}

/** A paused stream refuses it, as it should. */
const append = (world: World, stream: string, event: Made<string>): void => record(world, stream, EventText.propose(event))

const record = (world: World, stream: string, event: EventText.Proposed): void => {
  world.now(world.store.append({ path: StreamPath.make(stream), events: [event] }))
}

const act = (world: World, action: Action): void => {
  switch (action._tag) {
    case "Add":
      return append(world, action.stream, Model.Add.make({ amount: action.amount }))
    case "Misfit":
      return record(world, action.stream, { type: Model.Add.type, payload: "{\"amount\":\"much\"}" })
    case "Set": {
      const { endless, key, steps } = action
      return append(world, action.stream, Model.JobSet.make({ key, job: { steps, endless } }))
    }
    case "Cancel":
      return append(world, action.stream, Model.JobCancelled.make({ key: action.key }))
    case "Pause":
      return append(world, action.stream, Control.Paused.make({}))
    case "Resume":
      return append(world, action.stream, Control.Resumed.make({}))
    case "Delete":
      world.now(world.store.remove(StreamPath.make(action.stream), { recursive: false }))
      return
    case "Change":
      world.now(world.checkpoints.change(action.processor, StreamPath.make(action.stream), action.change))
      return
    case "Kill":
      return world.slots[action.slot]?.kill()
    case "Stop":
      return world.slots[action.slot]?.stop()
    case "Freeze": {
      const process = world.slots[action.slot]
      return process === undefined ? undefined : world.freeze(process)
    }
    case "Upgrade":
      world.version += 1
      return world.slots[action.slot]?.stop()
    case "Wait":
      return world.time.pass(action.millis)
    case "Outage":
      world.awayUntil = world.time.now + action.millis
      return
    case "Steps":
      return world.time.steps(action.count)
  }
}

/** Brings a run to rest: ends what befalls processes, does what persons do, and waits for facts as time passes. */
import { Option } from "effect"
import * as Control from "../../../src/domain/ControlEvent.ts"
import * as EventText from "../../../src/domain/EventText.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Instance, Parked } from "../../../src/log/Checkpoints.ts"
import * as FiberRecords from "../../../src/processor/FiberRecords.ts"
import type { Any } from "../../../src/processor/Processor.ts"
import type { Life } from "./Journal.ts"
import * as Model from "./Model.ts"
import { Violation } from "./Violation.ts"
import type { World } from "./World.ts"

/** How long everything may take once nothing befalls anyone, and for how long it must then rest, in milliseconds. */
const patience = 60_000
const rest = 2_500
const look = 250
/** So late everyone has heard of what was recorded, in milliseconds. */
const heard = 6_000

const paths = [Model.copies, "/s/a", "/s/b"].map((path) => StreamPath.make(path))

/** Lets time pass until nothing is left to do. */
export const settle = (world: World): void => {
  const { time } = world
  world.isCalm = true
  for (const process of world.slots) process.thaw()
  judgePaused(world)
  const until = time.now + patience
  let restedSince: number | undefined
  while (restedSince === undefined || time.now - restedSince < rest) {
    time.pass(look)
    if (world.violation !== undefined) throw world.violation
    const left = attend(world)
    if (left === undefined) restedSince ??= time.now
    else {
      restedSince = undefined
      if (time.now > until) throw left
    }
  }
}

/** Does what persons do in the end, and says what is left undone. */
const attend = (world: World): Violation | undefined => {
  let left: Violation | undefined
  for (const path of paths) {
    const life = world.journal.at(path)
    if (life === undefined) continue
    if (isPaused(life)) {
      world.now(world.store.append({ path, events: [EventText.propose(Control.Resumed.make({}))] }))
      left = new Violation("liveness", `${path} was paused`)
    }
    if (path === Model.copies) continue
    for (const { processor } of Model.processors) left = undone(world, processor, life) ?? left
  }
  return left
}

/** On a paused stream nothing runs, once all have heard of it. */
const judgePaused = (world: World): void => {
  const paused = paths.flatMap((path) => {
    const life = world.journal.at(path)
    return life !== undefined && isPaused(life) ? [path] : []
  })
  if (paused.length === 0) return
  world.time.pass(heard)
  for (const { name, running } of world.slots) {
    for (const { key, path } of running) {
      if (paused.some((each) => each === path)) {
        throw new Violation("fibers", `${key} runs in ${name} on ${path}, which is paused`)
      }
    }
  }
}

const pauses: ReadonlyArray<string> = [Control.Paused.type, Control.Resumed.type]

const isPaused = (life: Life): boolean =>
  life.events.findLast(({ event }) => pauses.includes(event.type))?.event.type === Control.Paused.type

const undone = (world: World, processor: Any, life: Life): Violation | undefined => {
  const { name } = processor
  const { path } = life
  if (world.registeredAt(name) === Number.POSITIVE_INFINITY) return new Violation("liveness", `${name} is not registered`)
  const steps = world.journal.steps(processor, life)
  const instance = world.instancesOn(path).get(name)
  const last = life.events[steps.findLastIndex(({ outcome }) => outcome !== "Passed")]
  if (instance === undefined) {
    // Events from before the processor was registered wake nothing.
    return last === undefined || last.place < world.registeredAt(name)
      ? undefined
      : new Violation("liveness", `${name} has no instance on ${path}`)
  }
  if (instance.parked !== undefined) return release(world, processor, life, instance.parked)
  if (last === undefined) return undefined
  const { offset } = last.event
  if (instance.offset < offset || instance.state === undefined) {
    return new Violation("liveness", `${name} on ${path} is at ${instance.offset} of ${offset}, with ${instance.state}`)
  }
  return unfinished(world, processor, instance) ?? running(world, processor, life)
}

/** Lets a parked instance go on: past an event that is hopeless, and else to try it again. */
const release = (world: World, { name }: Any, life: Life, { error, offset }: Parked): Violation => {
  const event = life.events.find(({ event }) => event.offset === offset)?.event
  const amount = event === undefined ? Option.none() : Model.Add.decode(event)
  const isHopeless = Option.exists(amount, ({ payload }) => payload.amount === Model.failing || payload.amount === Model.throwing)
  world.now(world.checkpoints.change(name, life.path, { _tag: isHopeless ? "Skip" : "Resume" }))
  return new Violation("liveness", `${name} is parked on ${life.path} at ${offset}: ${error}`)
}

/** A fiber that has to end and did not; one that is parked is let try again. */
const unfinished = (world: World, { name }: Any, { fibers, path }: Instance): Violation | undefined => {
  for (const { ended, input, key, kind } of FiberRecords.decode(fibers ?? "[]").values()) {
    if (ended?._tag === "Parked") {
      world.now(world.checkpoints.change(name, path, { _tag: "ResumeFiber", kind, key }))
      return new Violation("fibers", `${key} with ${input} is parked on ${path}: ${ended.error}`)
    }
    if (ended === undefined && !Model.isEndless(input)) {
      return new Violation("fibers", `${key} with ${input} is not done on ${path}`)
    }
  }
  return undefined
}

/** Whether exactly what the state asks for runs. */
const running = (world: World, processor: Any, life: Life): Violation | undefined => {
  if (processor.kinds.length === 0) return undefined
  const asked = [...world.journal.steps(processor, life).at(-1)?.asked.values() ?? []]
  const wanted = asked.filter(({ input }) => Model.isEndless(input)).map(({ input, key }) => `${key} ${input}`).sort()
  const found = world.slots.flatMap(({ running }) => [...running])
    .filter(({ path }) => path === life.path).map(({ input, key }) => `${key} ${input}`).sort()
  return wanted.join() === found.join()
    ? undefined
    : new Violation("fibers", `on ${life.path} [${found.join()}] run, but [${wanted.join()}] should`)
}

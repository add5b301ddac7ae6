/** Holds all that a run recorded against what should have been, once it rests. */
import { Option } from "effect"
import * as Control from "../../../src/domain/ControlEvent.ts"
import type { Any } from "../../../src/processor/Processor.ts"
import type { Entry, Life } from "./Journal.ts"
import * as Journal from "./Journal.ts"
import * as Model from "./Model.ts"
import { Violation } from "./Violation.ts"
import type { World } from "./World.ts"

/** Judges a run that rests. */
export const judge = (world: World): void => {
  for (const life of world.journal.lives) {
    for (const { processor } of Model.processors) judgeState(world, processor, life)
    judgeOrigins(life)
    judgeCounted(world, life)
    judgeEchoed(life)
    judgeJobs(world, life)
    judgeParked(life)
  }
}

/** Live state = fold from the start = fold from any checkpoint. */
const judgeState = (world: World, processor: Any, life: Life): void => {
  const { journal } = world
  const { name } = processor
  const head = life.events.at(-1)?.event.offset ?? 0
  const end = journal.stateAt(processor, life, head)
  const fail = (what: string, seen: string, right: string) => {
    throw new Violation("state", `${name} on ${life.path}: ${what} is ${seen}, but folding from the start gives ${right}`)
  }
  let offset = 0
  const seen = new Set<string>()
  for (const { checkpoint, processor: of } of world.written) {
    if (of !== name || checkpoint.life !== life.id) continue
    if (checkpoint.offset < offset) fail(`the checkpoint behind ${offset}`, `at ${checkpoint.offset}`, "one behind it")
    offset = checkpoint.offset
    if (checkpoint.state === undefined) continue
    const right = journal.stateAt(processor, life, offset)
    if (checkpoint.state !== right) fail(`the checkpoint at ${offset}`, checkpoint.state, right)
    if (life.isOver || seen.has(`${offset}`)) continue
    seen.add(`${offset}`)
    const folding = processor.fold({ state: checkpoint.state })
    for (const { event } of life.events) if (event.offset > offset) Journal.step(folding, event)
    if (folding.state() !== end) fail(`the fold from the checkpoint at ${offset}`, folding.state(), end)
  }
  for (const { supervisor } of life.isOver ? [] : world.slots) {
    const view = supervisor?.status(name, life.path)?.view?.()
    // One that has not heard of a delete yet is of the life before.
    if (view === undefined || view.offset < (life.events[0]?.event.offset ?? 1)) continue
    const right = journal.stateAt(processor, life, view.offset)
    if (view.state !== right) fail(`the live state at ${view.offset}`, view.state, right)
  }
}

/** What answers an event of this very stream must be of the same life of it. */
const judgeOrigins = (life: Life): void => {
  const born = life.events[0]?.event.offset ?? 1
  for (const { event } of life.events) {
    if (event.cause === undefined || event.cause.streamPath !== life.path || event.cause.offset >= born) continue
    const { cause, offset, type } = event
    throw new Violation(
      "life",
      `${type} at ${offset} of ${life.path} is ${cause.processor}'s answer to ${cause.offset}, before the stream was deleted`
    )
  }
}

const causedBy = (processor: string, life: Life, offset: number) => ({ event: { cause } }: Entry): boolean =>
  cause?.processor === processor && cause.streamPath === life.path && cause.offset === offset

/** The facts of an event are recorded exactly once, all of one attempt, and in the order of the events. */
const judgeCounted = (world: World, life: Life): void => {
  const counter = Model.named("counter")
  const skipped = new Set(life.events.flatMap(({ event }) =>
    Option.match(Control.ProcessorSkipped.decode(event), {
      onNone: () => [],
      onSome: ({ payload }) => payload.name === counter.name ? [payload.offset] : []
    })))
  const copied = world.journal.lives.filter(({ path }) => path === Model.copies).flatMap(({ events }) => events)
  const steps = world.journal.steps(counter, life)
  judgeOrder(life)
  for (const [i, { event, place }] of life.events.entries()) {
    if (event.type !== Model.Add.type) continue
    const by = causedBy(counter.name, life, event.offset)
    const own = life.events.filter(by).map(({ event }) => event)
    const isHooked = place >= world.registeredAt(counter.name) && !skipped.has(event.offset)
    const name = `the event ${JSON.stringify(event.payload)} at ${event.offset} of ${life.path}`
    if (steps[i]?.outcome === "Misfit") {
      const errors = own.filter(({ type }) => type === Control.ErrorOccurred.type).length
      if (errors <= 1 && (errors === 1 || !isHooked || life.isOver)) continue
      throw new Violation("facts", `${name} does not fit, which is said ${errors} times`)
    }
    const facts = own.flatMap((event) => Option.toArray(Model.Counted.decode(event)))
    const far = copied.filter(by).flatMap(({ event }) => Option.toArray(Model.Copied.decode(event)))
    // Of a stream that was deleted meanwhile there may be none, but not some.
    const expected = !isHooked ? 0 : life.isOver ? Math.min(1, Math.max(facts.length, far.length)) : 1
    if (facts.length !== expected || far.length !== expected) {
      const found = `${facts.length} facts on its stream and ${far.length} on ${Model.copies}`
      throw new Violation("facts", `${name} has ${found}, not ${expected} each`)
    }
    const attempts = new Set([...facts, ...far].map(({ payload }) => payload.attempt))
    if (attempts.size > 1) throw new Violation("facts", `those of ${name} are of the attempts ${[...attempts].join()}`)
    const [before, sum] = [Model.sumOf(steps[i - 1]?.state), Model.sumOf(steps[i]?.state)]
    for (const { payload } of facts) {
      if (payload.sum === sum && payload.before === before) continue
      const seen = `saw the sums ${payload.before} and ${payload.sum}, not ${before} and ${sum}`
      throw new Violation("facts", `the hook of ${name} ${seen}`)
    }
  }
}

const judgeOrder = (life: Life): void => {
  let last = 0
  for (const { event: { cause, offset, type } } of life.events) {
    if (type !== Model.Counted.type || cause === undefined) continue
    const isOrdered = cause.offset >= last && cause.offset < offset
    if (!isOrdered) throw new Violation("facts", `${offset} of ${life.path} answers ${cause.offset}, behind the answer to ${last}`)
    last = cause.offset
  }
}

/** Each fact of the first in the chain is answered once by the second. */
const judgeEchoed = (life: Life): void => {
  for (const { event } of life.events) {
    if (event.type !== Model.Counted.type) continue
    const answers = life.events.filter(causedBy("echo", life, event.offset)).length
    if (answers === 1 || answers === 0 && life.isOver) continue
    throw new Violation("facts", `the fact at ${event.offset} of ${life.path} is echoed ${answers} times`)
  }
}

/** What is to be recorded once is, and what the state still asks for and does not run has been. */
const judgeJobs = (world: World, life: Life): void => {
  if (life.path === Model.copies) return
  const done = new Set<string>()
  const steps = new Map<string, number>()
  for (const { event } of life.events) {
    const stepped = Option.getOrUndefined(Model.JobStepped.decode(event))?.payload
    if (stepped !== undefined) {
      const last = steps.get(stepped.key) ?? 0
      if (stepped.step <= last) {
        throw new Violation("fibers", `${stepped.key} took step ${stepped.step} after ${last} on ${life.path}`)
      }
      steps.set(stepped.key, stepped.step)
    }
    if (event.type !== Model.JobDone.type) continue
    const fact = JSON.stringify(event.payload)
    if (done.has(fact)) throw new Violation("fibers", `${fact} was recorded twice on ${life.path}`)
    done.add(fact)
  }
  judgeCopied(world, life, done)
  const jobs = Model.named("jobs")
  if (life.isOver || !world.instancesOn(life.path).has(jobs.name)) return
  for (const [key, job] of Model.jobsOf(world.journal.steps(jobs, life).at(-1)?.state)) {
    const fact = JSON.stringify({ key, job })
    if (!job.endless && !done.has(fact)) throw new Violation("fibers", `${fact} was never recorded on ${life.path}`)
  }
}

/** What a job has done is told once on the stream of all, whatever the jobs of other streams tell there. */
const judgeCopied = (world: World, life: Life, done: ReadonlySet<string>): void => {
  const born = life.events[0]?.event.offset ?? 1
  const head = life.events.at(-1)?.event.offset ?? born
  const told = world.journal.lives.filter(({ path }) => path === Model.copies).flatMap(({ events }) =>
    events.flatMap(({ event: { cause, payload, type } }) => {
      const isOfLife = cause?.streamPath === life.path && cause.offset >= born && cause.offset <= head
      return type === Model.JobDone.type && isOfLife ? [JSON.stringify(payload)] : []
    })
  )
  for (const fact of new Set([...done, ...told])) {
    const times = told.filter((each) => each === fact).length
    if (times !== 1) throw new Violation("fibers", `${fact} of ${life.path} is told ${times} times on ${Model.copies}`)
  }
}

/** Nobody has to wait for a person because the log was away. */
const judgeParked = (life: Life): void => {
  for (const { event } of life.events) {
    const error = Option.getOrUndefined(Control.ProcessorParked.decode(event))?.payload.error
    if (error?.startsWith("Unavailable") !== true) continue
    throw new Violation("liveness", `the event at ${event.offset} of ${life.path} says that one is parked: ${error}`)
  }
}

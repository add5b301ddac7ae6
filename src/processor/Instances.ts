/**
 * How the instances of processors fare: those awake on this server as they are, the others as they were written last.
 * An instance that another server runs can be further than what is told of it here, by what it has not written yet.
 */
import { Context, Deferred, Duration, Effect, Layer, Option, RcMap } from "effect"
import { Offset } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import { nearest } from "../domain/Nearest.ts"
import { Behind, NotFound, Unavailable } from "../domain/StreamError.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Instance as Stored, Registered } from "../log/Checkpoints.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import * as InstanceView from "./InstanceView.ts"
import type { Any } from "./Processor.ts"
import { Supervisor } from "./Supervisor.ts"

/** How long an answer waits until an offset is folded. */
const patience = Duration.seconds(30)
/** Answers that wait at a time: they are held in memory. */
const maxWaiting = 1_000
/** Pause between looks at what is in memory. */
const lookAgain = "50 millis"
/** So many of these, and what is written is looked at all the same: another server's instance gives no sign. */
const looks = 5
/** Instances whose next event is looked for at a time. */
const measuredAtOnce = 4

export class Instances extends Context.Service<Instances, {
  /** All on a stream, by processor. */
  readonly on: (path: StreamPath) => Effect.Effect<ReadonlyMap<string, InstanceView.InstanceView>, Unavailable>
  /** One on a stream; with `atLeast` once it has come so far, within half a minute. */
  readonly one: (
    processor: string,
    path: StreamPath,
    atLeast?: number
  ) => Effect.Effect<InstanceView.InstanceView, NotFound | Behind | Unavailable>
  /** Those of a processor on streams behind `after`, in order of path; at most `pageInstances`. */
  readonly of: (
    processor: string,
    after: string
  ) => Effect.Effect<ReadonlyArray<InstanceView.InstanceView>, NotFound | Unavailable>
  /** The definition of a processor, where this server has it. */
  readonly definition: (processor: string) => Effect.Effect<Any, NotFound | Unavailable>
}>()("millstream/processor/Instances") {
  static readonly layer = Layer.effect(Instances, Effect.suspend(() => make))
}

/** An instance that answers wait for. */
interface Watched {
  readonly processor: string
  readonly path: StreamPath
}

const make = Effect.gen(function*() {
  const checkpoints = yield* Checkpoints
  const directory = yield* Directory
  const growth = yield* Growth
  const store = yield* EventStore
  const supervisor = yield* Supervisor
  let waiting = 0

  const consumedBy = (processor: string, registered: ReadonlyArray<Registered>): ReadonlyArray<string> =>
    supervisor.definition(processor)?.consumes.map(({ type }) => type) ??
      registered.find(({ processor: name }) => name === processor)?.consumes ?? []

  /** Moves an instance over what it does not consume, and says how far it is behind. */
  const measure = Effect.fnUntraced(function*(instance: InstanceView.Unmeasured, consumes: ReadonlyArray<string>) {
    const { head, now, ...rest } = instance
    let { offset } = instance
    if (offset < head && rest.parked === undefined && !consumes.includes("*")) {
      const page = yield* store.read(instance.path, { after: offset, types: consumes, limit: 1 })
      const [next] = page.lines
      offset = Math.max(offset, next === undefined ? page.last : EventText.offsetOf(next) - 1)
    }
    const lag = Math.max(0, head - offset)
    const idle = lag > 0 ? "folding" : "caught-up"
    const status = now === undefined || now === "caught-up" ? idle : now
    return { ...rest, offset, lag, status } satisfies InstanceView.InstanceView
  })

  const view = (processor: string, stored: Stored): InstanceView.Unmeasured => {
    const status = supervisor.status(processor, stored.path)
    return InstanceView.newest(processor, stored, status, supervisor.definition(processor)?.version)
  }

  const knowing = (processors: Iterable<string>) =>
    [...processors].every((name) => supervisor.definition(name) !== undefined)
      ? Effect.succeed([])
      : checkpoints.registered

  const on = Effect.fnUntraced(function*(path: StreamPath) {
    const stored = yield* checkpoints.instancesOn(path)
    const registered = yield* knowing(stored.keys())
    const views = yield* Effect.forEach(
      stored,
      ([name, row]) => measure(view(name, row), consumedBy(name, registered)),
      { concurrency: measuredAtOnce }
    )
    return new Map(views.map((each) => [each.processor, each]))
  })

  const registration = Effect.fnUntraced(function*(processor: string) {
    const registered = yield* checkpoints.registered
    const found = registered.find(({ processor: name }) => name === processor)
    if (found !== undefined) return found
    const meant = nearest(processor, registered.map(({ processor: name }) => name))
    const hint = meant === undefined ? "There is none at all" : `Did you mean ${meant}?`
    return yield* new NotFound({ reason: `There is no processor ${processor}. ${hint}` })
  })

  /** None where there is no definition here, or its first state does not fit its own schema. */
  const initial = (processor: string) =>
    Option.flatMap(
      Option.fromUndefinedOr(supervisor.definition(processor)),
      Option.liftThrowable((definition: Any) => definition.fold().state())
    )

  /** One that has met no event on its stream yet, and so is not written. */
  const unwritten = Effect.fnUntraced(function*(processor: string, path: StreamPath) {
    const { streams, version } = yield* registration(processor)
    if (!StreamPattern.matcher(streams)(path)) {
      return yield* new NotFound({ reason: `${processor} does not run on ${path}: its streams are ${streams}` })
    }
    const stream = yield* directory.describe(path)
    if (Option.isNone(stream) || !stream.value.exists) {
      return yield* new NotFound({ reason: `${path} has no events` })
    }
    const instance: InstanceView.Unmeasured = {
      processor,
      path,
      version,
      offset: 0,
      head: stream.value.offset,
      now: supervisor.status(processor, path)?.now,
      state: Option.getOrUndefined(initial(processor)),
      fibers: [],
      cursors: [],
      parked: undefined
    }
    return instance
  })

  const look = Effect.fnUntraced(function*(processor: string, path: StreamPath) {
    const stored = (yield* checkpoints.instancesOn(path)).get(processor)
    const instance = stored === undefined ? yield* unwritten(processor, path) : view(processor, stored)
    return yield* measure(instance, consumedBy(processor, yield* knowing([processor])))
  })

  /** Looks at an instance again and again, for all the answers that wait for it together. */
  const watches = yield* RcMap.make({
    lookup: Effect.fnUntraced(function*({ path, processor }: Watched) {
      let hasGrown = true
      yield* Effect.acquireRelease(
        Effect.sync(() => growth.onStream(path, () => hasGrown = true)),
        (stop) => Effect.sync(stop)
      )
      let next = Deferred.makeUnsafe<InstanceView.InstanceView, NotFound | Unavailable>()
      let known: number | undefined
      yield* Effect.gen(function*() {
        for (let i = 0; i < looks; i++) {
          yield* Effect.sleep(lookAgain)
          if (hasGrown || supervisor.status(processor, path)?.offset !== known) break
        }
        hasGrown = false
        known = supervisor.status(processor, path)?.offset
        const seen = yield* Effect.exit(look(processor, path))
        Deferred.doneUnsafe(next, seen)
        next = Deferred.makeUnsafe()
      }).pipe(Effect.forever, Effect.forkScoped)
      return { next: Effect.suspend(() => Deferred.await(next)) }
    })
  })

  const wait = Effect.fnUntraced(function*(before: InstanceView.InstanceView, atLeast: number) {
    const { path, processor } = before
    let last = before
    yield* Effect.acquireRelease(Effect.sync(() => waiting += 1), () => Effect.sync(() => waiting -= 1))
    const watch = yield* RcMap.get(watches, { path, processor })
    return yield* Effect.gen(function*() {
      while (last.offset < atLeast) last = yield* watch.next
      return last
    }).pipe(Effect.timeoutOrElse({
      duration: patience,
      orElse: () =>
        Effect.fail(
          new Behind({
            processor,
            streamPath: path,
            offset: Offset.make(last.offset),
            atLeast: Offset.make(atLeast),
            status: last.status
          })
        )
    }))
  }, Effect.scoped)

  return Instances.of({
    on,
    one: Effect.fnUntraced(function*(processor, path, atLeast = 0) {
      const view = yield* look(processor, path)
      if (view.offset >= atLeast) return view
      if (waiting >= maxWaiting) {
        return yield* new Unavailable({ reason: `${maxWaiting} others wait for processors`, retryAfterSeconds: 1 })
      }
      return yield* wait(view, atLeast)
    }),
    of: Effect.fnUntraced(function*(processor, after) {
      const { consumes } = yield* registration(processor)
      const stored = yield* checkpoints.instances(processor, after)
      return yield* Effect.forEach(stored, (row) => measure(view(processor, row), consumes), {
        concurrency: measuredAtOnce
      })
    }),
    definition: Effect.fnUntraced(function*(processor) {
      const definition = supervisor.definition(processor)
      if (definition !== undefined) return definition
      yield* registration(processor)
      return yield* new NotFound({
        reason: `The definition of ${processor} is not on this server, which so can not fold its past`
      })
    })
  })
})

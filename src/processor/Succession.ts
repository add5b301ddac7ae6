/**
 * When a version of a processor becomes the registered one: at once, but where a server acts for another version. Then
 * it is prepared beside that one first, and takes over when little is left, or when nobody acts any more. Types and
 * streams that have changed along with the version count from the takeover on.
 */
import { Duration, Effect, Schedule } from "effect"
import type { Unavailable } from "../domain/StreamError.ts"
import type { Checkpoints, Registered, Registration } from "../log/Checkpoints.ts"
import type { EventStore } from "../log/EventStore.ts"
import * as Ownership from "./Ownership.ts"
import { Preparation } from "./Preparation.ts"
import type { Any } from "./Processor.ts"

/** Pause before something is tried again while the log is away. */
const again = "1 second"
/** How often it is looked whether the other version is still acted for. */
const lookEvery = "1 second"
/** How long nobody has had the lease until it counts as given up: a server that stands by has had its look by then. */
const vacantFor = Duration.times(Ownership.lookEvery, 1.5)

export interface Options {
  readonly processor: Any
  readonly registration: Registration
  readonly store: EventStore["Service"]
  readonly checkpoints: Checkpoints["Service"]
}

/** What has become of those that were there before. */
type Fate = "prepared" | "vacant" | "overtaken"

/** Registers it, or begins to: returns what is still to be waited for, until it is the registered version. */
export const begin = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Effect.Effect<void>> {
  const { checkpoints, registration: { processor, version } } = options
  const known = yield* persist(look(options), `${processor} could not be registered`)
  if (known?.owner === undefined || known.version === version) {
    yield* register(options)
    return Effect.void
  }
  // Waited for, so that what is refused for good is refused at once.
  yield* persist(
    checkpoints.prepare(processor, version, undefined),
    `Version ${version} of ${processor} could not be prepared`
  )
  return undaunted(options, succeed(options, known))
})

/** The same, begun again after a defect. */
const undaunted = ({ processor: { name } }: Options, succession: Effect.Effect<void>): Effect.Effect<void> =>
  succession.pipe(
    Effect.as(true),
    Effect.catchDefect((defect) =>
      Effect.logError(`${name} met a defect before it took over; it goes on in a moment`, defect).pipe(
        Effect.andThen(Effect.sleep(again)),
        Effect.as(false)
      )
    ),
    Effect.repeat({ until: (isDone) => isDone }),
    Effect.asVoid
  )

const succeed = Effect.fnUntraced(function*(options: Options, before: Registered) {
  const { processor, registration: { streams }, ...services } = options
  const { name, version } = processor
  yield* Effect.logInfo(
    `Version ${version} of ${name} is folded beside version ${before.version}, which acts until it has caught up`
  )
  const preparation = new Preparation({ ...services, processor, streams })
  const prepared = Effect.andThen(
    persist(preparation.run, `The preparation of version ${version} of ${name} stopped`),
    persist(look(options), unasked(name))
  )
  const earlier = new Set([before.version, ...before.preparing.map(({ version }) => version)])
  const fate = yield* Effect.raceFirst(
    Effect.map(prepared, (known): Fate => judge(options, earlier, known) ?? "prepared"),
    watch(options, earlier)
  )
  const { events, failed, instances } = preparation
  const folded = `instances folded: ${instances}, events: ${events}, failed: ${failed}`
  if (fate === "overtaken") {
    yield* Effect.logWarning(`Version ${version} of ${name} does not take over, for a later one has (${folded})`)
    yield* Effect.repeat(persist(look(options), unasked(name)), {
      schedule: Schedule.spaced(lookEvery),
      until: (known) => known?.version === version
    })
    return
  }
  yield* Effect.logInfo(
    `Version ${version} of ${name} takes over${fate === "vacant" ? ", for nobody acts any more" : ""} (${folded})`
  )
  yield* register(options)
})

/** Returns when nobody acts for those versions any more that were there before. */
const watch = Effect.fnUntraced(function*(options: Options, earlier: ReadonlySet<number>): Effect.fn.Return<Fate> {
  let isVacant = false
  while (true) {
    yield* Effect.sleep(isVacant ? vacantFor : lookEvery)
    const fate = yield* Effect.map(look(options), (known) => judge(options, earlier, known)).pipe(
      Effect.orElseSucceed(() => undefined)
    )
    if (fate !== undefined && (fate !== "vacant" || isVacant)) return fate
    isVacant = fate === "vacant"
  }
})

/** None while one of them is acted for. What was being prepared when this began is no later version. */
const judge = (
  { registration }: Options,
  earlier: ReadonlySet<number>,
  known: Registered | undefined
): Fate | undefined => {
  if (known?.version === registration.version) return "prepared"
  if (known !== undefined && !earlier.has(known.version)) return "overtaken"
  return known?.owner === undefined ? "vacant" : undefined
}

const look = ({ checkpoints, registration }: Options): Effect.Effect<Registered | undefined, Unavailable> =>
  Effect.map(checkpoints.registered, (all) => all.find(({ processor }) => processor === registration.processor))

const unasked = (name: string): string => `The registered version of ${name} could not be asked for`

const register = ({ checkpoints, registration }: Options): Effect.Effect<void> =>
  persist(checkpoints.register(registration), `${registration.processor} could not be registered`)

const persist = <A>(effect: Effect.Effect<A, Unavailable>, failed: string): Effect.Effect<A> =>
  effect.pipe(
    Effect.tapError((error) => Effect.logWarning(`${failed}; trying again`, error)),
    Effect.retry(Schedule.spaced(again)),
    Effect.orDie
  )

/**
 * Finds reducers that are not pure: folds a sample of sleeping instances anew and compares. Two foldings side by
 * side show where a reducer that asks for the time or for chance differs; where they agree with each other and not
 * with what is stored, the definition was changed without a new version.
 */
import { Effect, Metric } from "effect"
import * as EventText from "../domain/EventText.ts"
import type { Unavailable } from "../domain/StreamError.ts"
import type { Checkpoints, Instance } from "../log/Checkpoints.ts"
import type { EventStore } from "../log/EventStore.ts"
import * as Emission from "./Emission.ts"
import type { Event } from "../domain/Event.ts"
import type { Folding } from "./Folding.ts"
import type { Any } from "./Processor.ts"

/** How often, and how many instances of a processor at a time. */
const every = "1 minute"
const sample = 5
/** Longer streams are left out: each would be read as a whole. */
const maxOffset = 100_000

const differing = Metric.counter("millstream_impure_processors_total", {
  description: "Instances whose state, folded anew, was another",
  incremental: true
})

export interface Options {
  readonly processor: Any
  readonly store: EventStore["Service"]
  readonly checkpoints: Checkpoints["Service"]
}

/** Looks at some instances every minute, each processor's in turn, for ever. */
export const watch = (options: Options): Effect.Effect<never> => {
  const { checkpoints, processor } = options
  let after = ""
  const reported = new Set<string>()
  const look = Effect.gen(function*() {
    const page = yield* checkpoints.instances(processor.name, after)
    const chosen = page.filter((instance) => isComparable(processor, instance)).slice(0, sample)
    after = chosen.length < sample ? "" : chosen.at(-1)?.path ?? ""
    for (const instance of chosen) {
      const offset = reported.has(instance.path) ? undefined : yield* differs(options, instance)
      if (offset === undefined) continue
      reported.add(instance.path)
      yield* Metric.update(differing, 1)
      yield* report(options, instance, offset)
    }
  })
  return Effect.sleep(every).pipe(
    Effect.andThen(look),
    Effect.catch((error) => Effect.logWarning(`${processor.name} was not compared; trying again in a minute`, error)),
    Effect.forever
  )
}

const isComparable = (processor: Any, { offset, state, version }: Instance): boolean =>
  state !== undefined && version === processor.version && offset <= maxOffset

/** The first offset at which the state is another when it is folded anew; none where it is the same. */
export const differs = Effect.fnUntraced(function*(
  { processor, store }: Options,
  instance: Instance
): Effect.fn.Return<number | undefined, Unavailable> {
  const names = processor.consumes.map(({ type }) => type)
  const types = names.includes("*") ? undefined : names
  const skipped = new Set(instance.skipped)
  const one = processor.fold()
  const other = processor.fold()
  let first: number | undefined
  for (let after = 0; after < instance.offset;) {
    const page = yield* store.read(instance.path, { after, before: instance.offset + 1, types })
    if (page.life !== instance.life) return undefined
    for (const line of page.lines) {
      const event = EventText.decode(line)
      const isSame = step(one, event, skipped) === step(other, event, skipped)
      if (first === undefined && !(isSame && one.state() === other.state())) first = event.offset
    }
    after = page.last
    if (page.last >= page.head) break
    // Requests are served between pages.
    yield* Effect.yieldNow
  }
  return first ?? (one.state() === instance.state ? undefined : instance.offset)
})

/** Folds one event; false where the reducer threw. */
const step = (folding: Folding, event: Event, skipped: ReadonlySet<number>): boolean => {
  try {
    folding.step(event)
    return true
  } catch {
    return skipped.has(event.offset)
  }
}

const report = ({ processor, store }: Options, { path }: Instance, offset: number) => {
  const origin = { processor: processor.name, path, offset, hops: 0 }
  const message = `${processor.name} folds to another state when it is folded anew: its reducer is not pure, ` +
    "or was changed without a new version"
  return Effect.andThen(
    Effect.logWarning(message, { path, offset }),
    Effect.catch(
      store.append(Emission.failure(origin, message)),
      (error) => Effect.logWarning(`${path} could not be told of it`, error)
    )
  )
}

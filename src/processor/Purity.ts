/**
 * Finds reducers that are not pure: folds a sample of instances anew and compares. Where that gives another state, two
 * foldings side by side show where a reducer that asks for the time or for chance differs; where they agree with each
 * other and not with what is stored, the definition was changed without a new version. Instances in which a person
 * passed over an event are left out: what that left behind is not known here.
 */
import { Effect, Metric } from "effect"
import * as EventText from "../domain/EventText.ts"
import type { JsonText } from "../domain/EventText.ts"
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
/** Others get their turn after so long, in milliseconds of the machine's clock. */
const turn = 5
/** How long the place of a difference is looked for, by the same clock; then the instance's end has to do. */
const searchMillis = 2_000
/** Instances that are remembered, so that each is told of once; behind so many the oldest may be told of again. */
const maxReported = 1_000

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
    const page = yield* checkpoints.instances(processor.name, after, sample)
    after = page.at(-1)?.path ?? ""
    for (const instance of page) {
      if (!isComparable(processor, instance) || reported.has(instance.path)) continue
      const offset = yield* differs(options, instance)
      if (offset === undefined) continue
      const [oldest] = reported
      if (reported.size >= maxReported && oldest !== undefined) reported.delete(oldest)
      reported.add(instance.path)
      yield* Metric.update(differing, 1)
      yield* report(options, instance, offset)
    }
  })
  return Effect.sleep(every).pipe(
    Effect.andThen(look),
    Effect.catchCause((cause) =>
      Effect.logWarning(`${processor.name} was not compared; trying again in a minute`, cause)
    ),
    Effect.forever
  )
}

const isComparable = (processor: Any, { offset, skipped, state, version }: Instance): boolean =>
  state !== undefined && version === processor.version && offset <= maxOffset && skipped.length === 0

/** The first offset at which the state is another when it is folded anew; none where it is the same. */
export const differs = Effect.fnUntraced(function*(
  options: Options,
  instance: Instance
): Effect.fn.Return<number | undefined, Unavailable> {
  const anew = options.processor.fold()
  // Encoded once, at the end: a state may be large, and this is done for nothing where all is well.
  const threw = yield* walk(options, instance, (event) => does(() => anew.step(event)))
  if (threw === "gone" || (threw === undefined && encoded(anew) === instance.state)) return undefined
  const one = options.processor.fold()
  const other = options.processor.fold()
  const end = performance.now() + searchMillis
  let isTooLong = false
  const first = yield* walk(options, instance, (event) => {
    isTooLong = performance.now() > end
    return !isTooLong && does(() => one.step(event)) === does(() => other.step(event)) && encoded(one) === encoded(other)
  })
  return (typeof first === "number" && !isTooLong ? first : undefined) ?? threw ?? instance.offset
})

/** Goes through the events behind an instance; the offset at which `isFine` says no, if it does. */
const walk = Effect.fnUntraced(function*(
  { processor, store }: Options,
  { life, offset, path }: Instance,
  isFine: (event: Event) => boolean
): Effect.fn.Return<number | "gone" | undefined, Unavailable> {
  const names = processor.consumes.map(({ type }) => type)
  const types = names.includes("*") ? undefined : names
  let since = performance.now()
  for (let after = 0; after < offset;) {
    const page = yield* store.read(path, { after, before: offset + 1, types })
    if (page.life !== life) return "gone"
    for (const line of page.lines) {
      const event = EventText.decode(line)
      if (!isFine(event)) return event.offset
      if (performance.now() - since < turn) continue
      yield* Effect.yieldNow
      since = performance.now()
    }
    after = page.last
    if (page.last >= page.head) break
  }
  return undefined
})

/** Whether a definition does something without throwing: at which offset it does not is what is told. */
const does = (step: () => unknown): boolean => {
  try {
    step()
    return true
  } catch {
    return false
  }
}

/** The state as text; none where it does not fit its schema, as states between checkpoints need not. */
const encoded = (folding: Folding): JsonText | undefined => {
  try {
    return folding.state()
  } catch {
    return undefined
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

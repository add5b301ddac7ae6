/**
 * A push that was not taken, made again of the very same events: what was chosen stays chosen, whatever a filter would
 * say of it now. Only a transform is asked anew, since what it made is not kept; where it fails, so did the attempt.
 * Known limit: events of streams that were deleted meanwhile are left out.
 */
import { Effect, Result } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import * as DeliveryChoice from "./DeliveryChoice.ts"
import type { Failing, Place } from "./DeliveryCursor.ts"
import type { Passed, Source } from "./DeliveryFeed.ts"
import type { Named, Push } from "./DeliveryPush.ts"
import * as DeliveryPush from "./DeliveryPush.ts"
import type { Stretch } from "./Follow.ts"
import * as FollowPlace from "./FollowPlace.ts"

/** It can not be made now. */
export interface Unmade {
  readonly _tag: "Unmade"
  readonly push: Named
  readonly error: string
}

interface Chosen {
  readonly lines: ReadonlyArray<JsonText>
  readonly places: ReadonlyArray<Place>
}

/** The same push; nothing where its events are gone. */
export const again = (options: Source, failing: Failing): Effect.Effect<Push | Passed | Unmade> =>
  Effect.gen(function*() {
    const { configuration: { batch, transform }, jsonata } = options
    const { lines, places } = yield* find(options, failing)
    const [first] = lines
    if (first === undefined) return { _tag: "Passed", at: failing.end }
    const texts: Array<JsonText> = []
    if (transform === undefined) texts.push(...lines)
    else {
      for (const result of yield* jsonata.evaluate(transform, lines)) {
        const text = DeliveryPush.textOf(result)
        if (Result.isFailure(text)) {
          const push: Named = { first, count: lines.length, end: failing.end, places: () => places }
          return { _tag: "Unmade", push, error: text.failure }
        }
        texts.push(text.success)
      }
    }
    const place = (index: number): Place => places[index] ?? failing.end
    return DeliveryPush.make({ isBatch: batch !== undefined, lines, texts, place })
  })

const find = (options: Source, failing: Failing): Effect.Effect<Chosen> =>
  Effect.gen(function*() {
    const choose = chooser(options, failing)
    const lines: Array<JsonText> = []
    const places: Array<Place> = []
    for (;;) {
      const stretch = yield* options.follow.next
      for (const index of choose(stretch)) {
        lines.push(stretch.lines[index] ?? "")
        places.push(stretch.place(index))
      }
      if (!FollowPlace.isBehind(failing.end, stretch.last)) return { lines, places }
    }
  })

/** Which events of a stretch belong to the push. */
const chooser = (
  { configuration: { batch, types }, path, slug }: Source,
  { end, places }: Failing
): (stretch: Stretch) => ReadonlyArray<number> => {
  const isKnown = batch === undefined || places !== undefined
  if (isKnown) {
    const known: ReadonlySet<Place> = new Set(places ?? [end])
    return ({ lines, place }) => [...lines.keys()].filter((index) => known.has(place(index)))
  }
  // By its type an event is wanted always, or never.
  const choosing = DeliveryChoice.make(path, slug, types)
  return ({ lines, place }) => {
    const chosen = DeliveryChoice.choose(choosing, lines) ?? [...lines.keys()]
    return chosen.filter((index) => !FollowPlace.isBehind(place(index), end))
  }
}

/**
 * Types that a processor consumes since a later registration: what came before is folded without hooks. An event that
 * is being appended while that is registered counts as before or after.
 */
import type { Registration } from "./Checkpoints.ts"
import type { Cursor } from "./EventStore.ts"

/** Events of this type up to here are folded without hooks; `*` stands for all types that are not listed. */
export interface AddedType {
  readonly type: string
  readonly hooksAfter: number
}

/** Behind which offset hooks begin for a type as far as it was added; 0 where it was not. */
export const hooksAfter = (all: ReadonlyArray<AddedType>): (type: string) => number => {
  const known = new Map(all.map(({ hooksAfter, type }) => [type, hooksAfter]))
  return (type) => known.get(type) ?? known.get("*") ?? 0
}

/** From where on in the order across streams such types count, by type; `*` as above. */
export type Places = ReadonlyMap<string, Cursor>

/** Before every event. */
const beginning: Cursor = { tx: 0n, position: 0n }

/** What they are on a stream, where hooks of some begin behind what is done. */
export const behind = (
  places: Places,
  done: number,
  offsetAt: (place: Cursor) => number
): ReadonlyArray<AddedType> => {
  const all = [...places]
    .map(([type, place]) => ({ type, hooksAfter: place === beginning ? 0 : offsetAt(place) }))
    .sort((a, b) => a.type < b.type ? -1 : 1)
  return all.some(({ hooksAfter }) => hooksAfter > done) ? all : []
}

/** The same once others are consumed than before, from `now` on. */
export const register = (
  places: Places,
  { consumes: before }: Registration,
  { consumes }: Registration,
  now: Cursor
): Places => {
  const all = new Map(places)
  const add = (type: string, place: Cursor) => all.set(type, all.get(type) ?? place)
  const isAll = consumes.includes("*")
  // What a star stood for was consumed, and counts as that did.
  const since = before.includes("*") ? all.get("*") : now
  // Beside a star those are named that count from earlier on.
  if (isAll && !before.includes("*")) for (const type of before) add(type, beginning)
  if (since !== undefined) for (const type of consumes) if (!before.includes(type)) add(type, since)
  return new Map([...all].filter(([type]) => isAll || consumes.includes(type)))
}

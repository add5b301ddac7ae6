/** Causes in the log in memory. Known limit: effects are found by reading all of it. */
import { Effect, Option } from "effect"
import { maxCauses, maxCausesBytes } from "../domain/Bounds.ts"
import type { JsonText } from "../domain/EventText.ts"
import * as EventText from "../domain/EventText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Causes, Traced } from "./Causes.ts"
import type { Page, PrefixPage, PrefixReadOptions, ReadOptions } from "./EventStore.ts"

/** An event, and how many steps it is away from the one that was asked about. */
interface Found {
  readonly line: JsonText
  readonly steps: number
}

/** The same text for the same event. */
const nameOf = (place: { readonly streamPath: StreamPath; readonly offset: number }): string =>
  `${place.streamPath} ${place.offset}`

/** What fits of the events found, in their order. */
const bounded = (found: ReadonlyArray<Found>): Traced => {
  const fitting = new Set<Found>()
  let bytes = 0
  for (const each of found.toSorted((a, b) => a.steps - b.steps)) {
    if (fitting.size === maxCauses || bytes >= maxCausesBytes) break
    fitting.add(each)
    bytes += Buffer.byteLength(each.line)
  }
  return {
    lines: found.filter((each) => fitting.has(each)).map(({ line }) => line),
    more: fitting.size < found.length
  }
}

/** As much of a log as causes are found by. */
interface Log {
  readonly read: (path: StreamPath, options: ReadOptions) => Page
  readonly readWithin: (prefix: StreamPath, options: PrefixReadOptions) => PrefixPage
}

const lineAt = (log: Log, path: StreamPath, offset: number): JsonText | undefined =>
  log.read(path, { after: offset - 1, before: offset + 1 }).lines[0]

const chain = (log: Log, path: StreamPath, offset: number): Option.Option<Traced> => {
  const found: Array<Found> = []
  let line = lineAt(log, path, offset)
  while (line !== undefined && found.length <= maxCauses) {
    found.push({ line, steps: found.length })
    const { cause } = EventText.decode(line)
    line = cause === undefined ? undefined : lineAt(log, cause.streamPath, cause.offset)
  }
  return found.length === 0 ? Option.none() : Option.some(bounded(found.toReversed()))
}

const effects = (log: Log, path: StreamPath, offset: number): Option.Option<Traced> => {
  if (lineAt(log, path, offset) === undefined) return Option.none()
  const steps = new Map([[nameOf({ streamPath: path, offset }), 0]])
  const found: Array<Found> = []
  let page: PrefixPage | undefined
  while (page?.more !== false) {
    page = log.readWithin(Path.root, { after: page?.last ?? { tx: 0n, position: 0n } })
    // In commit order a cause comes before what it led to.
    for (const { line } of page.lines) {
      const event = EventText.decode(line)
      const before = event.cause === undefined ? undefined : steps.get(nameOf(event.cause))
      if (before === undefined) continue
      steps.set(nameOf(event), before + 1)
      found.push({ line, steps: before + 1 })
    }
  }
  return Option.some(bounded(found))
}

export const make = (log: Log): Causes["Service"] => ({
  chain: (path, offset) => Effect.sync(() => chain(log, path, offset)),
  effects: (path, offset) => Effect.sync(() => effects(log, path, offset))
})

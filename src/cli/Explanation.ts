/** What an event led to, processor by processor, as text for people. */
import type { Event } from "../domain/Event.ts"
import type { InstanceState, ProcessorSummary, StatePatch } from "../domain/ProcessorState.ts"

/** A processor on the event's stream. */
export interface Met {
  readonly name: string
  readonly instance: InstanceState
  /** Types of events, or `*` for every one that no other names. */
  readonly consumes: ProcessorSummary["consumes"]
  /** How the event changed its state; none where it did not fold, or why the server that was asked can not tell. */
  readonly patch: StatePatch["patch"] | { readonly unknown: string } | undefined
  /** The events that answer this one. */
  readonly emitted: ReadonlyArray<Event>
}

/** Longest value of a patch that is shown, in characters. */
const longestShown = 120

const show = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text
}

const operation = (each: StatePatch["patch"][number]): string =>
  `${each.op} ${each.path === "" ? "everything" : each.path}${each.op === "remove" ? "" : ` ${show(each.value)}`}`

const change = (patch: Met["patch"], isConsumed: boolean): ReadonlyArray<string> => {
  if (patch === undefined) return [isConsumed ? "as it was before: the event did not fold" : unchanged]
  if ("unknown" in patch) return [patch.unknown]
  return patch.length === 0 ? [unchanged] : patch.map(operation)
}

const unchanged = "as it was before"

/** Some lines under one title; `none` where there are none. */
const lines = (title: string, found: ReadonlyArray<string>, none: ReadonlyArray<string> = []): ReadonlyArray<string> =>
  (found.length === 0 ? none : found).map((line, i) => `  ${(i === 0 ? title : "").padEnd(9)} ${line}`)

const standing = (path: string, name: string, instance: InstanceState): ReadonlyArray<string> => {
  const { lag, offset, parked, status } = instance
  if (parked !== undefined) {
    return [
      `parked at ${parked.offset}: ${parked.error}`,
      `millstream processors resume ${name} ${path} lets it try again, skip passes over that event`
    ]
  }
  return [lag === 0 ? `${status}, at ${offset}` : `${status}, at ${offset}: ${lag} events behind`]
}

const parkedFibers = ({ fibers }: InstanceState): ReadonlyArray<string> =>
  fibers.flatMap(({ error, key, kind, status }) => status === "parked" ? `${kind} ${show(key)}: ${error ?? ""}` : [])

const explain = (event: Event, { consumes, emitted, instance, name, patch }: Met): ReadonlyArray<string> => {
  const isConsumed = consumes.includes("*") || consumes.includes(event.type)
  const isFolded = instance.offset >= event.offset
  return [
    "",
    `${name}, version ${instance.version}`,
    ...lines("consumed", [isConsumed ? isFolded ? "yes" : "not yet" : `no, only ${consumes.join(", ")}`]),
    ...lines("state", change(patch, isConsumed)),
    ...lines("emitted", emitted.map(({ offset, streamPath, type }) => `${type} at ${streamPath} ${offset}`), ["nothing"]),
    ...lines("now", standing(event.streamPath, name, instance)),
    ...lines("waiting", parkedFibers(instance))
  ]
}

/** The event in one line, then a paragraph a processor. */
export const render = (event: Event, all: ReadonlyArray<Met>): string =>
  [
    `${event.streamPath} ${event.offset}: ${event.type} ${show(event.payload)}`,
    ...(event.cause === undefined
      ? []
      : [`It answers ${event.cause.streamPath} ${event.cause.offset}${
        event.cause.processor === undefined ? "" : `, by ${event.cause.processor}`
      }`]),
    ...(all.length === 0 ? ["No processor has met an event of this stream"] : all.flatMap((met) => explain(event, met)))
  ].join("\n")

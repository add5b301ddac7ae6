/** What the conformance suite's tests say often. Every test writes below a path of its own, so one log serves all. */
import type { Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Event } from "../../../src/domain/Event.ts"
import type { Proposed } from "../../../src/domain/EventText.ts"
import { decode } from "../../../src/domain/EventText.ts"
import * as JsonText from "../../../src/domain/JsonText.ts"
import type { AppendError } from "../../../src/domain/StreamError.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Causes } from "../../../src/log/Causes.ts"
import type { Directory } from "../../../src/log/Directory.ts"
import type { Cursor, PrefixPage } from "../../../src/log/EventStore.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { Growth } from "../../../src/log/Growth.ts"

/** What a layer under test provides. Its breaker is 100/100, the default of a service. */
export type Log = EventStore | Directory | Causes | Growth
export type It = Vitest.MethodsNonLive<Log>

/** A path directly below the root that nobody has used. */
export const fresh = (): StreamPath => StreamPath.make(`/suite-${crypto.randomUUID()}`)
export const below = (path: StreamPath, name: string): StreamPath => StreamPath.make(`${path}/${name}`)

export const event = (type: string, payload = "{}", more: Partial<Proposed> = {}): Proposed => ({
  type,
  payload,
  ...more
})
export const events = (count: number, type = "counted"): ReadonlyArray<Proposed> =>
  Array.from({ length: count }, (_, n) => event(type, String(n)))
export const paused = event("stream/paused", "{\"reason\":\"lunch\"}")
export const resumed = event("stream/resumed")
/** For streams that take more than the default breaker lets pass. */
export const breakerOff = event("stream/circuit-breaker-configured", "{\"enabled\":false}")

export const append = (path: StreamPath, ...proposed: ReadonlyArray<Proposed>) =>
  Effect.flatMap(EventStore, (store) => store.append({ path, events: proposed }))

/** The tag and fields of what an append was refused with. */
export const fieldsOf = (error: AppendError): Record<string, unknown> =>
  Object.fromEntries(Object.entries(error))
export const refused = (path: StreamPath, ...proposed: ReadonlyArray<Proposed>) =>
  Effect.map(Effect.flip(append(path, ...proposed)), fieldsOf)

/** Appends one event and returns it. */
export const appendOne = (path: StreamPath, proposed: Proposed) =>
  Effect.map(append(path, proposed), ({ lines }) => parse(lines)[0])

/** All lines of a stream that exist, page by page. */
export const lines = Effect.fnUntraced(function*(
  path: StreamPath,
  options: { readonly types?: ReadonlyArray<string>; readonly limit?: number; readonly after?: number } = {}
) {
  const store = yield* EventStore
  const found: Array<string> = []
  let after = options.after ?? 0
  while (true) {
    const page = yield* store.read(path, { ...options, after })
    found.push(...page.lines)
    if (page.last >= page.head) return found
    after = page.last
  }
})

export const parse = (texts: ReadonlyArray<string>): ReadonlyArray<Event> => texts.map(decode)

export const read = (path: StreamPath, types?: ReadonlyArray<string>) =>
  Effect.map(lines(path, types === undefined ? {} : { types }), parse)

/** `offset type` of each event of a stream. */
export const outline = (path: StreamPath) =>
  Effect.map(read(path), (all) => all.map(({ offset, type }) => `${offset} ${type}`))

export const offsets = (all: ReadonlyArray<{ readonly offset: number }>): ReadonlyArray<number> =>
  all.map(({ offset }) => offset)
/** The offsets from one to another, both included. */
export const range = (first: number, last: number): ReadonlyArray<number> =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

export const start: Cursor = { tx: 0n, position: 0n }

/** All that exists below a prefix. Reads on while what was recorded before may not be readable yet. */
export const within = Effect.fnUntraced(function*(
  prefix: StreamPath,
  options: { readonly after?: Cursor; readonly types?: ReadonlyArray<string>; readonly limit?: number } = {}
) {
  const store = yield* EventStore
  const found: Array<PrefixPage["lines"][number]> = []
  let after = options.after ?? start
  let awaited: bigint | undefined
  while (true) {
    const page = yield* store.readWithin(prefix, { ...options, after })
    awaited ??= page.newest
    found.push(...page.lines)
    after = page.last
    if (!page.more && page.horizon >= awaited) return { found, last: after }
  }
})

/** `path offset type` of each, in commit order. */
export const outlineWithin = (found: ReadonlyArray<{ readonly line: string }>): ReadonlyArray<string> =>
  parse(found.map(({ line }) => line)).map(({ offset, streamPath, type }) => `${streamPath} ${offset} ${type}`)

/** The payload of a line as it is written there. */
export const payloadText = (line: string | undefined): string | undefined =>
  line === undefined ? undefined : JsonText.members(line, ["payload"])[0]

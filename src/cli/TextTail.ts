/**
 * A tail as the text that the server writes, YAML or lines of JSON. It resumes like the client's, at the line where it
 * broke off: the event that was cut is asked for again and its lines that were printed are passed over. Lines of JSON
 * do not tell that the stream was deleted, so such a tail waits for what is written there next.
 */
import { Effect, Stream } from "effect"
import type { Connection, Query } from "../client/Connection.ts"
import * as Lines from "../client/Lines.ts"
import * as Problem from "../client/Problem.ts"
import { resuming } from "../client/Resume.ts"
import * as Tailing from "../client/Tailing.ts"
import type { StreamError } from "../domain/StreamError.ts"

type Format = "yaml" | "ndjson"

const types = { yaml: "application/yaml", ndjson: "application/x-ndjson" } as const

/** The line that tells an event's offset: its first, in either format. */
const offsets = { yaml: /^offset: (\d+)$/, ndjson: /^\{"offset":(\d+),/ } as const

/** Words of the server between events. */
const caughtUp = /^# offset (\d+) is the last/
const deleted = "# the stream was deleted"
const heartbeat = "# still here"

type Item = { readonly line: string } | "end"

export interface From {
  readonly afterOffset: string | undefined
  readonly last: number | undefined
  readonly limit: number | undefined
  readonly types: string | undefined
}

/** Lines without their line feeds. */
export const tail = (
  connection: Connection,
  path: string,
  format: Format,
  from: From
): Stream.Stream<string, StreamError> =>
  Stream.suspend(() => {
    // Everything up to this offset has been printed, or was there before the tail began.
    let after: string | undefined
    // The event being printed, how many of its lines were, and how many events have begun.
    let current: number | undefined
    let printed = 0
    let begun = 0
    let connections = 0

    const connect = Effect.suspend(() => {
      connections += 1
      // Lines are passed over until the event that was cut has come again, as far as it was printed.
      let again = current
      let passed = 0
      // A separator is printed with the event that it opens, so that none is left alone where a connection breaks.
      let opens = false
      const query: Query = {
        live: "true",
        format,
        types: from.types,
        ...(current === undefined
          ? after === undefined ? { afterOffset: from.afterOffset, last: from.last } : { afterOffset: after }
          : { afterOffset: current - 1 }),
        limit: from.limit === undefined ? undefined : from.limit - begun + (current === undefined ? 0 : 1)
      }
      const take = (line: string): ReadonlyArray<Item> => {
        if (line === "" && format === "ndjson") return []
        if (line.startsWith("#")) {
          const last = caughtUp.exec(line)?.[1]
          if (current === undefined && last !== undefined) after = last
          if (line === deleted) return [{ line }, "end"]
          return line === heartbeat || connections > 1 ? [] : [{ line }]
        }
        if (line === "---") {
          opens = true
          return []
        }
        const offset = offsets[format].exec(line)?.[1]
        const items = opens ? [{ line: "---" }, { line }] : [{ line }]
        opens = false
        if (again !== undefined) {
          if (offset !== undefined && Number(offset) !== again) again = undefined
          else if (offset === undefined && passed === 0) return []
          else if (passed < printed) {
            passed += 1
            return []
          } else again = undefined
        }
        if (offset !== undefined) {
          current = Number(offset)
          begun += 1
          printed = 0
        }
        if (current !== undefined) printed += 1
        return items
      }
      const end = Stream.suspend(() => begun >= (from.limit ?? Infinity) ? Stream.make<[Item]>("end") : Stream.empty)
      return connection.send({ method: "GET", path, query, accept: types[format] }).pipe(
        Effect.map((answer) =>
          Lines.fromBytes(Tailing.alive(answer), () => Problem.noAnswer(answer.url, "it was cut off")).pipe(
            Stream.map(take),
            Stream.flattenIterable,
            Stream.concat(end)
          )
        )
      )
    })

    return resuming<Item>({
      connect,
      isLast: (item) => item === "end",
      givesUp: "before",
      attempts: connection.attempts
    }).pipe(
      Stream.map((item) => item === "end" ? [] : [item.line]),
      Stream.flattenIterable
    )
  })

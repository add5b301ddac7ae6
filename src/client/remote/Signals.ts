/**
 * Tells a `Growth` here when streams grow at the server, from one tail of them all, which brings the events along, and
 * one of each stream above, which hears when they are deleted. Each begins with what comes, whenever it is connected:
 * what grew before is found by reading.
 */
import { Effect, Random, Schema, Stream } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import { Offset, Type } from "../../domain/Event.ts"
import type { StreamError } from "../../domain/StreamError.ts"
import { Unavailable } from "../../domain/StreamError.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import * as Path from "../../domain/StreamPath.ts"
import type { Growth } from "../../log/Growth.ts"
import * as Backoff from "../Backoff.ts"
import type { Connection, Query } from "../Connection.ts"
import * as SseFrame from "../SseFrame.ts"
import { alive } from "../Tailing.ts"

/** As much of an event as says that its stream grew. */
const decodeGrown = Schema.decodeUnknownOption(Schema.fromJsonString(
  Schema.Struct({ streamPath: StreamPath, offset: Offset, type: Type, payload: Schema.Unknown })
))
const decodeDeleted = Schema.decodeUnknownOption(Schema.toCodecJson(Control.ChildDeleted.payload))

/** The streams that a pattern means, as a stream and all below it. */
export const prefixOf = (pattern: string): StreamPath => {
  const segments = pattern.split("/").slice(1)
  const end = segments.findIndex((segment) => segment.includes("*"))
  const path = `/${(end < 0 ? segments : segments.slice(0, end)).join("/")}`
  return Path.is(path) ? path : Path.root
}

const hear = (growth: Growth["Service"], frame: SseFrame.SseFrame): void => {
  if (frame.event === "caught-up") return growth.announceAll()
  const grown = frame.event === "message" ? decodeGrown(frame.data) : undefined
  if (grown?._tag !== "Some") return
  const { offset, payload, streamPath: path, type } = grown.value
  growth.announce({ path, head: offset, types: new Set([type]), deleted: false })
  const deleted = type === Control.ChildDeleted.type ? decodeDeleted(payload) : undefined
  if (deleted?._tag !== "Some") return
  const gone = deleted.value.path
  // Those below may be gone too: whoever reads them sees it.
  for (const watched of growth.watched()) {
    if (Path.isWithin(watched, gone)) {
      growth.announce({ path: watched, head: undefined, types: undefined, deleted: watched === gone })
    }
  }
}

const lost = (defect: unknown) => Effect.fail(new Unavailable({ reason: String(defect), retryAfterSeconds: 1 }))

/** Follows one tail, for ever. */
const followTail = (
  connection: Connection,
  growth: Growth["Service"],
  path: string,
  from: Query,
  types: ReadonlyArray<string> | undefined
): Effect.Effect<never> => {
  // A comma in a name leaves the choice to the reader.
  const wanted = types?.some((type) => type.includes(",")) === true ? undefined : types?.join(",")
  return Effect.gen(function*() {
    let failures = 0
    const connected = Effect.gen(function*(): Effect.fn.Return<void, StreamError> {
      const query = { ...from, live: "true", types: wanted }
      const answer = yield* connection.send({ method: "GET", path, query, accept: "text/event-stream" })
      yield* Stream.runForEach(SseFrame.fromBytes(alive(answer)), (frame) =>
        Effect.sync(() => {
          failures = 0
          hear(growth, frame)
        }))
    })
    while (true) {
      // Nobody hears a stream grow while nobody follows, so nothing may end this.
      const ended = yield* Effect.result(Effect.catchDefect(connected, lost))
      failures += 1
      const error = ended._tag === "Failure" ? ended.failure : undefined
      yield* Effect.logDebug(`Signals of ${path} were lost; following them again`, error)
      const asked = error instanceof Unavailable ? error.retryAfterSeconds : 0
      yield* Effect.sleep(Backoff.delay(failures, yield* Random.next, asked))
    }
  })
}

/** Follows a stream and all below it, for ever. `types` none: all. */
export const follow = (
  connection: Connection,
  growth: Growth["Service"],
  prefix: StreamPath,
  types: ReadonlyArray<string> | undefined
): Effect.Effect<void> => {
  const deleted = Control.ChildDeleted.type
  const below = followTail(
    connection,
    growth,
    `/api/streams${prefix === Path.root ? "" : prefix}/**`,
    { after: "end" },
    types && [...new Set([...types, deleted])]
  )
  const above = Path.ancestors(prefix).map((path) =>
    followTail(connection, growth, `/api/streams${path}`, { afterOffset: "end" }, [deleted]))
  return Effect.all([below, ...above], { concurrency: "unbounded", discard: true })
}

/** What the compiler lets through and what it refuses. */
import { assert, it } from "@effect/vitest"
import { Schema, Stream } from "effect"
import type { DateTime } from "effect"
import { EventType } from "../../src/millstream.ts"
import type { Event, Streams } from "../../src/millstream.ts"
import { Ping, Pong } from "./Games.ts"

const accepted = (streams: Streams["Service"]) => {
  const union = Stream.map(streams.tail("/games", { types: [Ping, Pong] }), (event) => {
    if (event.type === "ping") {
      const n: number = event.payload.n
      return n
    }
    const at: DateTime.Utc = event.payload.at
    return at
  })
  const untyped = Stream.map(streams.read("/games"), (event): Event => event)
  const within = Stream.map(streams.tailWithin("/games", { types: [Ping] }), ({ payload, streamPath }) => {
    const n: number = payload.n
    return `${streamPath} ${n}`
  })
  return [
    union,
    untyped,
    within,
    streams.append("/games", Ping.make({ n: 1 }, { idempotencyKey: "once", metadata: { by: "me" } })),
    streams.append("/games", { type: "ping", payload: { n: 1 } }),
    streams.appendAll("/games", [Ping.make({ n: 1 }), { type: "anything" }])
  ]
}

const refused = (streams: Streams["Service"]) => [
  // @ts-expect-error the payload of another event
  Ping.make({ at: "now" }),
  // @ts-expect-error an event has no field of that name
  streams.append("/games", { type: "ping", data: 1 }),
  // @ts-expect-error a type is an EventType, not its name
  streams.tail("/games", { types: ["ping"] }),
  // @ts-expect-error a payload that is no JSON
  streams.append("/games", { type: "ping", payload: { at: new Date() } }),
  Stream.map(streams.tail("/games", { types: [Ping, Pong] }), (event) =>
    // @ts-expect-error only one of the two has it
    event.payload.n),
  Stream.map(streams.tail("/games", { types: [Ping] }), (event) =>
    // @ts-expect-error no such type in the union
    event.type === "pong"),
  // @ts-expect-error the whole of a stream and all below has no offsets
  streams.tailWithin("/games", { after: 3 }),
  // @ts-expect-error a schema whose decoding needs nothing, or none
  EventType.make("ping", { n: Schema.Int })
]

it("is judged by the compiler", () => {
  assert.isFunction(accepted)
  assert.isFunction(refused)
})

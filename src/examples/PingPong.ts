/** The smallest processor: it counts pings, and answers each of them with one pong. */
import { Schema } from "effect"
import { EventType, Processor } from "../millstream.ts"

export const Ping = EventType.make("ping", Schema.Struct({ from: Schema.String }))
export const Pong = EventType.make("pong", Schema.Struct({ to: Schema.String }))

export const PingPong = Processor.make("ping-pong", {
  state: Schema.Struct({ pings: Schema.Int }),
  initial: { pings: 0 },
  consumes: [Ping],
  emits: [Pong]
}).reduce({
  ping: (state) => ({ pings: state.pings + 1 })
})

export const layer = PingPong.toLayer(
  { afterAppend: { ping: (event, { emit }) => emit(Pong.make({ to: event.payload.from })) } },
  { streams: "/games/**" }
)

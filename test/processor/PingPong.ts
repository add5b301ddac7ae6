import { Schema } from "effect"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"

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

/** Answers each ping with one pong. */
export const layer = PingPong.toLayer(
  { afterAppend: { ping: (event, { emit }) => emit(Pong.make({ to: event.payload.from })) } },
  { streams: "/games/**" }
)

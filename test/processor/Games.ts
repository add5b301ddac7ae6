/** Small processors that the tests of this folder share. */
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

export const ReminderSet = EventType.make(
  "reminder/set",
  Schema.Struct({ id: Schema.String, at: Schema.DateTimeUtcFromString })
)
export const ReminderRang = EventType.make("reminder/rang", Schema.Struct({ id: Schema.String }))

export const Reminder = Processor.make("reminder", {
  state: Schema.Struct({ pending: Schema.Record(Schema.String, Schema.DateTimeUtcFromString) }),
  initial: { pending: {} },
  consumes: [ReminderSet, ReminderRang],
  emits: [ReminderRang]
}).reduce({
  "reminder/set": ({ pending }, { payload }) => ({ pending: { ...pending, [payload.id]: payload.at } }),
  "reminder/rang": ({ pending }, { payload }) => {
    const { [payload.id]: _, ...rest } = pending
    return { pending: rest }
  }
}).fibers({
  ring: (state) => state.pending,
  count: (state) => ({ all: Object.keys(state.pending).length })
})

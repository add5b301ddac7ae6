/** Small processors that the tests of this folder share. */
import { Schema } from "effect"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"

export { Ping, PingPong, Pong } from "../../src/examples/PingPong.ts"

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

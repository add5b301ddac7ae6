/**
 * Work that a state calls for: a reminder that is pending is a fiber that sleeps until its time has come. It survives
 * restarts, since it is started wherever the state asks for it; setting it anew, or cancelling it, changes the state.
 */
import { DateTime, Effect, Record, Schema } from "effect"
import { EventType, Processor } from "../millstream.ts"

export const ReminderSet = EventType.make(
  "reminder/set",
  Schema.Struct({ id: Schema.String, at: Schema.DateTimeUtcFromString })
)
export const ReminderCancelled = EventType.make("reminder/cancelled", Schema.Struct({ id: Schema.String }))
export const ReminderRang = EventType.make("reminder/rang", Schema.Struct({ id: Schema.String }))

export const Reminder = Processor.make("reminder", {
  state: Schema.Struct({ pending: Schema.Record(Schema.String, Schema.DateTimeUtcFromString) }),
  initial: { pending: {} },
  consumes: [ReminderSet, ReminderCancelled, ReminderRang],
  emits: [ReminderRang]
}).reduce({
  "reminder/set": ({ pending }, { payload }) => ({ pending: { ...pending, [payload.id]: payload.at } }),
  "reminder/cancelled": ({ pending }, { payload }) => ({ pending: Record.remove(pending, payload.id) }),
  "reminder/rang": ({ pending }, { payload }) => ({ pending: Record.remove(pending, payload.id) })
}).fibers({
  // Which work there is, by key, with its input: pure, so that anyone can ask at any offset.
  ring: (state) => state.pending
})

/** Returns at once where the time is past. */
const sleepUntil = (at: DateTime.Utc) =>
  Effect.flatMap(DateTime.now, (now) => Effect.sleep(DateTime.distance(now, at)))

export const layer = Reminder.toLayer({
  fibers: {
    ring: (at, { append, key }) =>
      Effect.andThen(sleepUntil(at), append(ReminderRang.make({ id: key }), { once: "rang" }))
  }
}, { streams: "/reminders/**" })

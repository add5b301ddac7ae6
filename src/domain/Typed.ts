/** Recorded events decoded by the types that a reader named; without types an event stays what it is. */
import { Option, Schema } from "effect"
import type { Event } from "./Event.ts"
import type * as EventType from "./EventType.ts"
import type { Read } from "./Streams.ts"

/** Decodes an event; none where it is of no named type or its payload does not fit: anyone may append anything. */
export const decoder = <T extends EventType.Any>(
  types: ReadonlyArray<T> | undefined
): (event: Event) => Option.Option<Read<T>> => {
  const named = (types ?? []).map((type) => ({
    name: type.type,
    decode: Schema.decodeUnknownOption(Schema.toCodecJson(type.payload))
  }))
  // The compiler cannot see that a payload decoded by one of `types` makes the event a `Read<T>`; the guard says it.
  const isRead = (value: { readonly type: string }): value is Read<T> & { readonly type: string } =>
    named.length === 0 || named.some(({ name }) => name === value.type)
  return (event) => {
    if (named.length === 0) return isRead(event) ? Option.some(event) : Option.none()
    for (const { name, decode } of named) {
      if (name !== event.type) continue
      const payload = decode(event.payload)
      if (Option.isNone(payload)) continue
      const read = { ...event, payload: payload.value }
      if (isRead(read)) return Option.some(read)
    }
    return Option.none()
  }
}

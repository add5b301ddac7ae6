/**
 * A kind of event as a value: its type and the schema of its payload. What a processor consumes and
 * emits, what a typed client appends and tails. Payload schemas need no services.
 */
import { Option, Schema } from "effect"
import type { Event, Metadata } from "./Event.ts"

export const TypeId = "~millstream/EventType"
const MadeId: unique symbol = Symbol.for("~millstream/EventType/Made")

/** An event type whatever its payload. */
export interface Any {
  readonly [TypeId]: typeof TypeId
  readonly type: string
  readonly payload: Schema.ConstraintCodec<unknown, unknown>
}

/** What an append may add to a made event. */
export interface MakeOptions {
  readonly metadata?: Metadata
  readonly idempotencyKey?: string
  readonly offset?: number
}

/** An event that an `EventType` made: its payload is JSON already. Branded, so that nothing else can be emitted. */
export interface Made<Type extends string> extends MakeOptions {
  readonly [MadeId]: Type
  readonly type: Type
  readonly payload: Schema.Json
}

/** A recorded event whose payload has been decoded. */
export interface RecordedOf<Type extends string, Payload> extends Omit<Event, "type" | "payload"> {
  readonly type: Type
  readonly payload: Payload
}

/** Every event that no other type names, control events too; its payload stays as it was sent. */
export interface Every extends Any {
  readonly type: "*"
  readonly payload: typeof Schema.Json
}

/** The decoded union of some event types. */
export type Recorded<T extends Any> = T extends Every ? Event
  : T extends Any ? RecordedOf<T["type"], T["payload"]["Type"]>
  : never

export interface EventType<Type extends string, Payload extends Schema.ConstraintCodec<unknown, unknown>> extends Any {
  readonly type: Type
  readonly payload: Payload
  /** An event ready to append. Throws where the payload does not fit its own schema. */
  readonly make: (payload: Payload["Type"], options?: MakeOptions) => Made<Type>
  /** The event decoded; none where it is of another type or its payload does not fit: anyone may append anything. */
  readonly decode: (event: Event) => Option.Option<RecordedOf<Type, Payload["Type"]>>
}

/** Names a kind of event: `EventType.make("ping", Schema.Struct({ from: Schema.String }))`. */
const make = <const Type extends string, Payload extends Schema.ConstraintCodec<unknown, unknown>>(
  type: Type,
  payload: Payload
): EventType<Type, Payload> => {
  const codec = Schema.toCodecJson(payload)
  const encode = Schema.encodeSync(codec)
  const decode = Schema.decodeUnknownOption(codec)
  return {
    [TypeId]: TypeId,
    type,
    payload,
    make: (value, options) => ({ [MadeId]: type, type, payload: encode(value), ...options }),
    decode: (event) =>
      event.type === type
        ? Option.map(decode(event.payload), (value) => ({ ...event, type, payload: value }))
        : Option.none()
  }
}

const every: Every = { [TypeId]: TypeId, type: "*", payload: Schema.Json }

export const EventType = { make, any: every }

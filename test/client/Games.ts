/** Two kinds of event to play with. */
import { Schema } from "effect"
import { EventType } from "../../src/millstream.ts"

export const Ping = EventType.make("ping", Schema.Struct({ n: Schema.Int }))
export const Pong = EventType.make("pong", Schema.Struct({ at: Schema.DateTimeUtcFromString }))

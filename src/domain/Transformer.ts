/** Making events out of events with JSONata. */
import { Schema } from "effect"
import type { Control } from "./Control.ts"
import { Slug } from "./Control.ts"
import { EventType } from "./EventType.ts"
import { Expression } from "./Jsonata.ts"
import { StreamPath } from "./StreamPath.ts"

/** The name of the processor that keeps them. */
export const processor = "transformer"

export const TransformerConfigured = EventType.make(
  "transformer/configured",
  Schema.Struct({
    slug: Slug,
    /** JSONata over the event: it is transformed where this is true. */
    matcher: Expression,
    /** JSONata that makes an event, or an array of some, out of the event. */
    transform: Expression,
    /** Where they are appended; its own stream where it is left out. */
    streamPath: Schema.optionalKey(StreamPath)
  })
)

export const TransformerRemoved = EventType.make("transformer/removed", Schema.Struct({ slug: Slug }))

export const controls: ReadonlyArray<Control> = [
  {
    eventType: TransformerConfigured,
    appendedBy: "client",
    description: "Makes an event out of each that matches, here or on another stream, with JSONata",
    example: {
      slug: "messages",
      matcher: "type = 'webhook/received' and payload.body.event.type = 'message'",
      transform: "{ 'type': 'message/received', 'payload': { 'text': payload.body.event.text } }"
    }
  },
  {
    eventType: TransformerRemoved,
    appendedBy: "client",
    description: "A transformer ends",
    example: { slug: "messages" }
  }
]

/** What is known of a control event: its type, who may append it, and a payload to show. */
import { Schema } from "effect"
import type * as EventType from "./EventType.ts"

export interface Control {
  readonly eventType: EventType.Any
  readonly appendedBy: "client" | "server"
  /** The built-in processors that may append it in the server's name: not counted, and taken by a paused stream. */
  readonly processors?: ReadonlyArray<string>
  readonly description: string
  readonly example: Schema.Json
}

/** Bound of the names of schedules, subscriptions and transformers, in characters: they are part of keys. */
const maxSlug = 128

const slugProblem = (text: string): string | undefined =>
  text.length > 0 && text.length <= maxSlug && text.isWellFormed() && !text.includes("\0")
    ? undefined
    : `must be 1 to ${maxSlug} characters without U+0000 and lone surrogates`

/** Names the thing that an event configures; configuring it again replaces it. */
export const Slug = Schema.String.pipe(
  Schema.check(Schema.makeFilter(slugProblem, { toJsonSchema: () => ({ minLength: 1, maxLength: maxSlug }) }))
).annotate({ description: "Names it; configuring it again replaces it" })

/** The name of a secret, never its value, which is in the environment as `MILLSTREAM_SECRET_<NAME>`. */
export const SecretName = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/))
).annotate({ description: "The name of a secret: its value is in the environment, as MILLSTREAM_SECRET_<NAME>" })

/** The one failure of the embedded Postgres: whoever starts the service reads it, so it always says what to do next. */
import { Schema } from "effect"

/** No Postgres can be had from this data folder: `problem` says why, `advice` what to do. */
export class EmbeddedPostgresUnavailable extends Schema.TaggedError<EmbeddedPostgresUnavailable>()(
  "EmbeddedPostgresUnavailable",
  { problem: Schema.String, advice: Schema.String, cause: Schema.optionalKey(Schema.Defect()) }
) {
  override get message() {
    return `${this.problem}. ${this.advice}`
  }
}

/**
 * Which servers share this log. Each holds locks for as long as its session lives; one that finds itself
 * alone lets writers save their notices, one that does not turns them on for all.
 */
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import { Effect } from "effect"
import * as Contention from "./Contention.ts"

/** "mill2" in ASCII; advisory locks count per database. */
const lock = 0x6d696c6c32n

/**
 * Takes part for as long as the session lives. To be done before anything is read that relies on notices. What is said
 * of them waits for the groups that others are writing, and may be in their way.
 */
export const attend = Effect.fnUntraced(function*(session: PgConnection.PgConnection, server: string) {
  // Under its own name too: what it holds ends with it, see `millstream.is_held`.
  yield* session.query("select pg_advisory_lock_shared(hashtextextended($1, 0))", [server])
  const { rows } = yield* session.query("select pg_try_advisory_lock($1) as alone", [lock])
  if (rows[0]?.["alone"] === true) {
    // Said before the next one is let in, so that the last word is the newcomer's.
    yield* Contention.retry(session.query("update millstream.log set notify = false where notify", []))
    yield* session.query("select pg_advisory_lock_shared($1)", [lock])
    yield* session.query("select pg_advisory_unlock($1)", [lock])
  } else {
    yield* session.query("select pg_advisory_lock_shared($1)", [lock])
    yield* Contention.retry(session.query("update millstream.log set notify = true where not notify", []))
  }
})

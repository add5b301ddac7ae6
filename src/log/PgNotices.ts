/**
 * Hears from other processes which streams they wrote. Notices only save time: after each reconnection
 * everything may have grown, and a slow look at what is watched finds what a lost notice would have told.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Effect, Queue, Schedule, Schema } from "effect"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import { Growth } from "./Growth.ts"
import type { HeadCache } from "./HeadCache.ts"
import * as PgPresence from "./PgPresence.ts"
import type { Recent } from "./Recent.ts"

/** How late a reader is at the most when a notice was lost. */
const lookEvery = "5 seconds"
/** Pause before the connection is made again. */
const reconnectAfter = "200 millis"

export interface Memory {
  readonly cache: HeadCache
  readonly recent: Recent
}

/** Listens until the scope closes. `server` is this process: it knows what it wrote itself. */
export const listen = Effect.fnUntraced(function*(server: string, { cache, recent }: Memory) {
  const client = yield* PgClient.PgClient
  const growth = yield* Growth

  const hear = (text: string): void => {
    const [sender, ...entries] = text.split("\n")
    if (sender === server) return
    for (const entry of entries) {
      const path = entry.slice(1)
      if (entry === "*") growth.announceAll()
      else if (Path.is(path)) {
        const deleted = entry.startsWith("-")
        cache.delete(path)
        if (deleted) recent.drop(path)
        growth.announce({ path, head: undefined, types: undefined, deleted })
      }
    }
  }

  yield* Effect.scoped(Effect.gen(function*() {
    const session = yield* PgConnection.make(client.config)
    yield* PgPresence.attend(session)
    const notices = yield* session.listen("millstream")
    // Whatever was told while nobody listened is lost.
    growth.announceAll()
    while (true) hear((yield* Queue.take(notices)).payload)
  })).pipe(
    Effect.tapError((error) => Effect.logDebug("The connection that listens broke and is made again", error)),
    Effect.retry(Schedule.spaced(reconnectAfter)),
    Effect.forkScoped
  )

  const heads = SqlSchema.findAll({
    Request: Schema.Array(StreamPath),
    Result: Schema.Struct({ path: StreamPath, head: Schema.BigInt }),
    execute: (paths) => client`
      select path, head from millstream.streams where path = any(${[...paths]}::text[]) and deleted_at is null`
  })
  yield* Effect.gen(function*() {
    const watched = growth.watched()
    if (watched.length === 0) return
    for (const { head, path } of yield* heads(watched)) {
      growth.announce({ path, head: Number(head), types: undefined, deleted: false })
    }
  }).pipe(
    Effect.catch((error) => Effect.logDebug("The look at watched streams failed and is tried again", error)),
    Effect.repeat(Schedule.spaced(lookEvery)),
    Effect.forkScoped
  )
})

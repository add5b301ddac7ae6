/**
 * Hears from other processes which streams they wrote. Notices only save time: after each reconnection
 * everything may have grown, and a slow look at what is watched finds what a lost notice would have told.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Effect, Exit, Queue, Schedule, Schema, Scope } from "effect"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import { Growth } from "./Growth.ts"
import type { HeadCache } from "./HeadCache.ts"
import * as Outage from "./Outage.ts"
import * as PgPresence from "./PgPresence.ts"
import type { Recent } from "./Recent.ts"

/** How late a reader is at the most when a notice was lost. */
const lookEvery = "5 seconds"
/** A look that takes longer has met a connection that is dead and does not say so. */
const lookTimeout = "5 seconds"
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

  // What was told may have been of a delete, or of what a stream asks for, which is hinted at from the cache.
  const missed = (): void => {
    cache.clear()
    recent.clear()
    growth.announceAll()
  }
  const hear = (text: string): void => {
    const [sender, ...entries] = text.split("\n")
    if (sender === server) return
    for (const entry of entries) {
      const path = entry.slice(1)
      if (entry === "*") missed()
      else if (Path.is(path)) {
        const deleted = entry.startsWith("-")
        cache.delete(path)
        if (deleted) recent.drop(path)
        growth.announce({ path, head: undefined, types: undefined, deleted, isCommon: entry.startsWith("+") })
      }
    }
  }

  // One session to hear with, and a first one before anything is read: from its lock on, others tell of their writes.
  const attend = Effect.gen(function*() {
    // Closed after the session: before it, it would ask Postgres to stop, and wait for one that is silent.
    const listening = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const session = yield* PgConnection.make(client.config)
    yield* PgPresence.attend(session, server)
    const notices = yield* Scope.provide(session.listen("millstream"), listening)
    // A listener that fails must not make this process deaf.
    return Effect.forever(Queue.take(notices).pipe(
      Effect.map(({ payload }) => hear(payload)),
      Effect.catchDefect((defect) => Effect.logError("Whoever listens to a stream failed", defect))
    ))
  })
  const scope = yield* Effect.scope
  const first = yield* Scope.fork(scope)
  const hearing = yield* Scope.provide(attend, first)
  const told = Outage.make(
    "Listening for what other processes write",
    `it is tried again every ${reconnectAfter}, and meanwhile what is watched is looked at every ${lookEvery}`
  )
  const again = Effect.scoped(Effect.flatMap(told(attend), (hearing) => {
    // Whatever was told while nobody listened is lost.
    missed()
    return told(hearing)
  }))
  yield* told(hearing).pipe(
    Effect.ensuring(Scope.close(first, Exit.void)),
    Effect.catch(() => Effect.retry(again, Schedule.spaced(reconnectAfter))),
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
    const found = new Map((yield* heads(watched)).map(({ head, path }) => [path, Number(head)]))
    // One that is not there was deleted, or never written: its readers find out.
    for (const path of watched) growth.remind({ path, head: found.get(path), types: undefined, deleted: false })
  }).pipe(
    Effect.timeout(lookTimeout),
    Outage.make(
      "The look at watched streams",
      `the next is in ${lookEvery}, and until one works a reader whose notice was lost waits`
    ),
    // Told already, and the next look comes anyway.
    Effect.ignore,
    Effect.repeat(Schedule.spaced(lookEvery)),
    Effect.forkScoped
  )
})

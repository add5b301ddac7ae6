/**
 * One session to Postgres that takes a call before the one ahead of it is answered: calls are run in the order in which
 * they were made, each in a transaction of its own. Where the session ends, or does not answer in time, the calls under
 * way fail as broken connections do, and the next one makes a session anew. No pool: handing out costs as much as a call.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Effect, Exit, Predicate, Scope, Semaphore } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Watchdog } from "./Watchdog.ts"

export interface PgPipe {
  readonly query: (
    statement: string,
    parameters: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<PgConnection.Row>, SqlError>
}

interface Session {
  readonly connection: PgConnection.PgConnection
  readonly end: Effect.Effect<void>
}

/** Ends with the scope. A call may take so many milliseconds. */
export const make = Effect.fnUntraced(function*(config: PgConnection.Config, watchdog: Watchdog, callTimeout: number) {
  const scope = yield* Effect.scope
  const opening = yield* Semaphore.make(1)
  let current: Session | undefined

  const opened = Effect.gen(function*() {
    const own = yield* Scope.fork(scope)
    const connection = yield* PgConnection.make({ ...config, multiplex: true }).pipe(
      Scope.provide(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
    const session: Session = {
      connection,
      end: Effect.suspend(() => {
        if (current === session) current = undefined
        return Scope.close(own, Exit.void)
      })
    }
    return current = session
  })
  const open = opening.withPermit(Effect.suspend(() => current === undefined ? opened : Effect.succeed(current)))

  const on = (session: Session, statement: string, parameters: ReadonlyArray<unknown>) => {
    const answered = watchdog.watch(callTimeout, session.end)
    return session.connection.query(statement, parameters).pipe(
      Effect.tapError((error) => isEnd(error) ? session.end : Effect.void),
      Effect.ensuring(Effect.sync(answered)),
      Effect.map(({ rows }) => rows)
    )
  }

  const pipe: PgPipe = {
    query: (statement, parameters) =>
      Effect.suspend(() =>
        current === undefined
          ? Effect.flatMap(open, (session) => on(session, statement, parameters))
          : on(current, statement, parameters)
      )
  }
  return pipe
})

/** Whether a session is over: it broke, or Postgres ended it (SQLSTATE 57P…) while it was idle. */
const isEnd = ({ reason }: SqlError): boolean =>
  reason._tag === "ConnectionError" ||
  Predicate.hasProperty(reason.cause, "code") && String(reason.cause.code).startsWith("57P")

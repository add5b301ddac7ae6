/**
 * One session to Postgres that takes a call before the one ahead of it is answered: calls are run in the order in which
 * they were made, each in a transaction of its own. Where the session ends, or does not answer in time, the calls under
 * way fail as broken connections do, and the next one makes a session anew. No pool: handing out costs as much as a call.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Effect, Exit, Predicate, Scope, Semaphore } from "effect"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
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

/** Ends with the scope. A call, and making a session, may each take so many milliseconds. */
export const make = Effect.fnUntraced(function*(config: PgConnection.Config, watchdog: Watchdog, callTimeout: number) {
  // Made here, so that whoever uses the pipe ends before its session does.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const opening = yield* Semaphore.make(1)
  let current: Session | undefined

  const opened = Effect.gen(function*() {
    const own = yield* Scope.fork(scope)
    const connection = yield* PgConnection.make({ ...config, multiplex: true, connectTimeout: callTimeout }).pipe(
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
      Effect.catch((error) => goesOn.has(error.reason._tag)
        ? Effect.fail(error)
        : Effect.andThen(session.end, Effect.fail(isEnd(error) ? broken(error) : error))),
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

/** What a statement fails with on a session that goes on. Behind anything else the session may be dead. */
const goesOn: ReadonlySet<SqlError["reason"]["_tag"]> = new Set([
  "SerializationError",
  "DeadlockError",
  "LockTimeoutError",
  "ConstraintError",
  "UniqueViolation"
] as const)

/** Whether Postgres ended the session while it was idle (SQLSTATE 57P…). */
const isEnd = ({ reason }: SqlError): boolean =>
  Predicate.hasProperty(reason.cause, "code") && String(reason.cause.code).startsWith("57P")

const broken = (cause: SqlError): SqlError =>
  new SqlError({ reason: new ConnectionError({ cause, message: "Postgres ended the session", operation: "query" }) })

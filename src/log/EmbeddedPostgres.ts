/**
 * A real Postgres under the service's data folder, for whoever has none: started or adopted, held by one service at a
 * time, started again when it dies, and stopped with the scope. Known limits: those of `PostgresFolder` and
 * `Postmaster`; after a kill -9 of the service it runs on until the next start adopts it.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Data, Effect, Exit, FileSystem, Option, Path, Queue, Redacted, Schedule, Schema, Scope } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import * as PostgresFolder from "./PostgresFolder.ts"
import * as Postmaster from "./Postmaster.ts"

/** A Postgres that runs, and is ours to stop. */
export interface EmbeddedPostgres {
  /** For `PgClient.layer`; the port stays the same when Postgres has to be started again. */
  readonly credentials: Postmaster.Credentials
  /** The same as a `postgres://` URL. */
  readonly url: Redacted.Redacted
  /** Of the server, such as "18.4". */
  readonly version: string
  /** Tells a second service on this folder where the first one is to be found. */
  readonly announce: (url: string) => Effect.Effect<void>
}

const Holder = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, url: Schema.NullOr(Schema.String) }))

// Each cluster has its own locks, so one number ("mill" in ASCII) does for every data folder.
const lockKey = 0x6d696c6c
// What a service that is just stopping, or was just killed, needs to let go.
const lockWithin = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))
// A Postgres that died is started again for as long as the service lives: giving up would leave it up and useless.
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

/** Runs Postgres for `dataDir` until the scope closes; fails where it cannot, or where another service holds it. */
export const make = Effect.fn("EmbeddedPostgres.make")(function*(options: { readonly dataDir: string }) {
  const path = yield* Path.Path
  return yield* open(path.resolve(options.dataDir)).pipe(
    Effect.catchTag("PlatformError", (cause) =>
      Effect.fail(
        new EmbeddedPostgresUnavailable({
          problem: `The data folder ${path.resolve(options.dataDir)} cannot be used: ${cause.message}`,
          advice: "Make it writable, choose another MILLSTREAM_DATA_DIR, or set DATABASE_URL",
          cause
        })
      ))
  )
})

const open = Effect.fnUntraced(function*(home: string) {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* PostgresFolder.make(home)
  const first = yield* take(folder)
  const { port, version } = first.postmaster
  let hold: Hold | undefined = first
  let address: string | null = null

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => hold === undefined ? Effect.void : letGo(folder, hold)).pipe(
      Effect.catch((error) => Effect.logWarning("The embedded Postgres could not be stopped", error))
    )
  )

  const writeHolder = Effect.gen(function*() {
    const file = holderFile(folder)
    const text = yield* Schema.encodeEffect(Holder)({ pid: process.pid, url: address })
    // Renamed, so that nobody reads half of it.
    yield* fs.writeFileString(`${file}.new`, text)
    yield* fs.rename(`${file}.new`, file)
  }).pipe(Effect.orDie)
  yield* writeHolder

  yield* Effect.gen(function*() {
    let current = first
    while (true) {
      const { cause, message } = (yield* current.lost).reason
      yield* Effect.logWarning(`The embedded Postgres went away: ${message} (${String(cause)})`)
      hold = undefined
      yield* Scope.close(current.scope, Exit.void)
      // Its own port again: the pools that look for it there come back by themselves.
      current = yield* take(folder, port).pipe(
        Effect.tapError((error) => Effect.logError(`The embedded Postgres is still away: ${error.message}`)),
        Effect.retry(backoff)
      )
      hold = current
      yield* writeHolder
      yield* Effect.logInfo(`The embedded Postgres answers again on 127.0.0.1:${port}`)
    }
  }).pipe(Effect.forkScoped)

  const credentials = Postmaster.credentials(folder, port)
  const { database, host, password, username } = credentials
  return {
    credentials,
    url: Redacted.make(`postgres://${username}:${Redacted.value(password)}@${host}:${port}/${database}`),
    version,
    announce: (url: string) => Effect.andThen(Effect.sync(() => address = url), writeHolder)
  } satisfies EmbeddedPostgres
})

/** The session that has the lock. Whoever has it may stop Postgres. */
interface Hold {
  readonly postmaster: Postmaster.Postmaster
  readonly scope: Scope.Closeable
  /** Waits for the session to die. */
  readonly lost: Effect.Effect<SqlError>
}

class Held extends Data.TaggedError("Held")<{}> {}

/** Starts or adopts Postgres and takes the lock in a session that is kept. */
const take = Effect.fn("EmbeddedPostgres.take")(function*(folder: PostgresFolder.PostgresFolder, port?: number) {
  let refused = false
  const attempt = Effect.gen(function*() {
    const postmaster = yield* Postmaster.start(folder, port)
    if (port !== undefined && postmaster.port !== port) return yield* new Held()
    const scope = yield* Scope.make()
    return yield* Effect.gen(function*() {
      // Closed after the session: before it, it would ask Postgres to stop telling, and wait for one that is silent.
      const listening = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      const connection = yield* PgConnection.make({
        ...Postmaster.credentials(folder, postmaster.port),
        applicationName: "millstream holder"
      })
      const session = yield* connection.pin
      yield* session.queryValues(`select pg_try_advisory_lock(${lockKey})`).pipe(
        Effect.filterOrFail(([row]) => row?.[0] === true, () => new Held()),
        Effect.tapErrorTag("Held", () => Effect.sync(() => refused = true)),
        Effect.retry({ while: (error) => error._tag === "Held", schedule: lockWithin })
      )
      // Nothing is ever sent there; a listener is how a quiet session learns of its end.
      const notices = yield* Scope.provide(session.listen("millstream_holder"), listening)
      const lost = Effect.flip(Effect.forever(Queue.takeAll(notices)))
      return { postmaster, scope, lost } satisfies Hold
    }).pipe(
      Scope.provide(scope),
      Effect.onExit((exit) => Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void),
      // Given up before anyone can have had the lock: what was started for it goes too.
      Effect.onInterrupt(() => Effect.sync(() => refused || postmaster.spawned?.kill("SIGINT")))
    )
  })
  return yield* attempt.pipe(
    // The holder before us may be stopping Postgres at this moment: then it is started again.
    Effect.retry({ while: (error) => error._tag === "SqlError", schedule: lockWithin }),
    Effect.catchTags({
      Held: () => Effect.flatMap(inUse(folder), (error) => Effect.fail(error)),
      SqlError: (cause) =>
        Effect.fail(
          new EmbeddedPostgresUnavailable({
            problem: `The embedded Postgres does not let us in: ${cause.message}`,
            advice: `Look into ${folder.log}, or set DATABASE_URL`,
            cause
          })
        )
    })
  )
})

const letGo = Effect.fn("EmbeddedPostgres.letGo")(function*(folder: PostgresFolder.PostgresFolder, hold: Hold) {
  const fs = yield* FileSystem.FileSystem
  // The session stays open meanwhile, so that nobody can take a Postgres that is about to end.
  yield* fs.remove(holderFile(folder), { force: true }).pipe(
    Effect.andThen(Postmaster.stop(folder, hold.postmaster)),
    Effect.ensuring(Scope.close(hold.scope, Exit.void))
  )
})

const holderFile = (folder: PostgresFolder.PostgresFolder) => `${folder.home}/holder.json`

const inUse = Effect.fnUntraced(function*(folder: PostgresFolder.PostgresFolder) {
  const fs = yield* FileSystem.FileSystem
  const holder = yield* fs.readFileString(holderFile(folder)).pipe(
    Effect.flatMap(Schema.decodeEffect(Holder)),
    Effect.option
  )
  const [who, stop] = Option.match(holder, {
    onNone: () => ["another service", "that service"],
    onSome: ({ pid, url }) => [`process ${pid}${url === null ? "" : ` (${url})`}`, `process ${pid}`]
  })
  return new EmbeddedPostgresUnavailable({
    problem: `The data folder ${folder.home} is in use by ${who}`,
    advice: `Stop ${stop}, or use another MILLSTREAM_DATA_DIR`
  })
})

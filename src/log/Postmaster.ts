/**
 * The embedded Postgres at work: finds the postmaster that serves a folder, starts one, stops it. Known limits: the
 * port is a free one of 127.0.0.1, and a postmaster that is frozen is waited for.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Data, Duration, Effect, FileSystem, Path, type Redacted, Schedule } from "effect"
import { randomInt } from "node:crypto"
import { createServer } from "node:net"
import { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import * as PostgresFolder from "./PostgresFolder.ts"
import * as PostgresUser from "./PostgresUser.ts"

/** A postmaster that answers; `spawned` where this process started it. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly version: string
  readonly spawned: PostgresUser.Daemon | undefined
}

/** What a client connects with, as `PgClient.layer` takes it. */
export interface Credentials {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly username: string
  readonly password: Redacted.Redacted
}

// A start that Postgres refuses is tried again for so long: after kill -9 of the postmaster its sessions need a moment
// to notice, and until then they hold the shared memory.
const refusedFor = Duration.seconds(15)
// Recovery replays at most max_wal_size (7 s a gigabyte were measured); a slow disk does that in so long.
const startsWithin = Duration.minutes(5)
// A start takes 50 ms; through a recovery each question is a line in Postgres's log.
const polls = Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("250 millis")])
// A shutdown checkpoint writes at most shared_buffers.
const stopsWithin = Duration.seconds(30)
// A log that is larger at a start is set aside, in the place of the one before.
const maxLogBytes = 16 * 1_048_576

class NotReady extends Data.TaggedError("NotReady")<{
  readonly message: string
  readonly alive: boolean
  readonly cause?: unknown
}> {}

/** How to reach the folder's Postgres on `port`. */
export const credentials = ({ password }: PostgresFolder.PostgresFolder, port: number): Credentials => ({
  host: "127.0.0.1",
  port,
  database: "postgres",
  username: "postgres",
  password
})

/** Adopts the postmaster that runs, or starts one, on `port` if given. Interrupted, it leaves none that it started. */
export const start = Effect.fn("Postmaster.start")(function*(folder: PostgresFolder.PostgresFolder, port?: number) {
  const attempt = Effect.gen(function*() {
    const found = yield* find(folder)
    return found === undefined ? yield* spawn(folder, port) : yield* adopt(folder, found)
  })
  return yield* attempt.pipe(
    Effect.retry({
      while: (error) => error._tag === "NotReady",
      schedule: Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: refusedFor }))
    }),
    Effect.catchTag("NotReady", (cause) =>
      Effect.fail(
        new EmbeddedPostgresUnavailable({
          problem: `The embedded Postgres does not start: ${cause.message}`,
          advice: `Look into ${folder.log}, or set DATABASE_URL`,
          cause
        })
      ))
  )
})

/** Ends every session and waits until all is on disk ("fast" in Postgres's words). */
export const stop = Effect.fn("Postmaster.stop")(function*(
  folder: PostgresFolder.PostgresFolder,
  { pid }: Postmaster
) {
  if (process.platform === "win32") {
    // There is no signal to send there; pg_ctl has its own way.
    yield* PostgresUser.run(folder.user, folder.binaries.pg_ctl, ["stop", "-m", "fast", "-D", folder.cluster])
    return
  }
  if (!(yield* serves(pid))) return
  yield* Effect.try(() => process.kill(pid, "SIGINT"))
  yield* serves(pid).pipe(
    Effect.repeat({ while: (running) => running, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOrElse({
      duration: stopsWithin,
      orElse: () => Effect.logWarning(`Postgres (process ${pid}) is still stopping; its log is ${folder.log}`)
    })
  )
})

/** The live postmaster that the folder's pid file names. */
const find = Effect.fnUntraced(function*({ cluster }: PostgresFolder.PostgresFolder) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const pidFile = path.join(cluster, "postmaster.pid")
  // A stopping postmaster removes it at any moment.
  const lines = (yield* fs.readFileString(pidFile).pipe(
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(""))
  )).split("\n")
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  if (yield* serves(pid)) return { pid, port: Number(lines[3]) }
  // Its number may have passed to another program, which Postgres takes for itself and refuses to start. The shared
  // memory of sessions that are left is a lock of its own, so nothing rests on this file.
  if (PostgresUser.isAlive(pid)) yield* fs.remove(pidFile, { force: true })
  return undefined
})

/** Whether this process is a Postgres: a dead one may still be listed, and its number may be given away. */
const serves = Effect.fnUntraced(function*(pid: number) {
  const fs = yield* FileSystem.FileSystem
  if (!PostgresUser.isAlive(pid)) return false
  if (process.platform !== "linux") return true
  const stat = yield* fs.readFileString(`/proc/${pid}/stat`).pipe(Effect.orElseSucceed(() => ""))
  return /^\d+ \(postgres\) [^ZX]/.test(stat)
})

const adopt = (folder: PostgresFolder.PostgresFolder, found: { readonly pid: number; readonly port: number }) =>
  // The port is written a moment after the rest of the file.
  found.port > 0
    ? Effect.map(
      answers(folder, found.port, serves(found.pid)),
      (version): Postmaster => ({ ...found, version, spawned: undefined })
    )
    : Effect.fail(new NotReady({ message: `process ${found.pid} has no port yet`, alive: true }))

const spawn = Effect.fnUntraced(function*(folder: PostgresFolder.PostgresFolder, wanted: number | undefined) {
  const fs = yield* FileSystem.FileSystem
  yield* PostgresFolder.own(folder)
  const bytes = yield* fs.stat(folder.log).pipe(Effect.map(({ size }) => Number(size)), Effect.orElseSucceed(() => 0))
  if (bytes > maxLogBytes) yield* fs.rename(folder.log, `${folder.log}.1`)
  const port = wanted ?? (yield* freePort)
  return yield* Effect.acquireUseRelease(
    PostgresUser.daemon(folder.user, folder.binaries.postgres, [
      "-D", folder.cluster, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="
    ], folder.log),
    (spawned) =>
      answers(folder, port, Effect.sync(() => spawned.ended() === undefined)).pipe(
        Effect.catchTag("NotReady", (error) =>
          Effect.flatMap(lastWords(folder.log), (lines) =>
            Effect.fail(
              new NotReady({ message: `${spawned.ended() ?? error.message}: ${lines}`, alive: false, cause: error })
            ))),
        Effect.map((version): Postmaster => ({ pid: spawned.pid, port, version, spawned }))
      ),
    (spawned, exit) => Effect.sync(() => exit._tag === "Failure" && spawned.kill("SIGINT"))
  )
})

/** Waits for the postmaster to answer, for as long as it lives. Gives its version. */
const answers = <R>(folder: PostgresFolder.PostgresFolder, port: number, lives: Effect.Effect<boolean, never, R>) =>
  version(folder, port).pipe(
    Effect.catchTag("SqlError", (cause) =>
      Effect.flatMap(lives, (alive) => Effect.fail(new NotReady({ message: cause.message, alive, cause })))),
    Effect.retry({
      while: (error) => error._tag === "NotReady" && error.alive,
      schedule: polls.pipe(Schedule.upTo({ duration: startsWithin }))
    }),
    Effect.raceFirst(
      Effect.logInfo(`Postgres is still starting, perhaps recovering; its log is ${folder.log}`).pipe(
        Effect.delay("5 seconds"),
        Effect.forever
      )
    )
  )

/** Connects, and makes sure that it is this folder's Postgres that answers. */
const version = (folder: PostgresFolder.PostgresFolder, port: number) =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const connection = yield* PgConnection.make({ ...credentials(folder, port), connectTimeout: "2 seconds" })
    const [row] = yield* connection.queryValues(
      "select current_setting('server_version'), current_setting('data_directory')"
    )
    const served = String(row?.[1])
    if ((yield* fs.realPath(served)) === (yield* fs.realPath(folder.cluster))) return String(row?.[0])
    return yield* new EmbeddedPostgresUnavailable({
      problem: `${folder.cluster} is a copy of ${served}, made while its Postgres was running`,
      advice: "Stop the service there and copy again, or choose another MILLSTREAM_DATA_DIR"
    })
  })).pipe(
    Effect.catchIf(
      (error) => error._tag === "SqlError" && error.reason._tag === "AuthenticationError",
      (cause) =>
        Effect.fail(
          new EmbeddedPostgresUnavailable({
            problem: `The Postgres on 127.0.0.1:${port} does not accept the password in ${folder.passwordFile}`,
            advice: "Put the right one back, or set DATABASE_URL",
            cause
          })
        )
    )
  )

/** The end of Postgres's log, where it says why it stopped. */
const lastWords = Effect.fnUntraced(function*(log: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(log).pipe(Effect.orElseSucceed(() => ""))
  return text.trimEnd().split("\n").slice(-5).join(" | ")
})

/**
 * A port that nobody listens on. It lies below the range that systems hand out for outgoing connections: none of those
 * can take it while Postgres restarts, and a client that tries it meanwhile never meets itself.
 */
const freePort = Effect.callback<number, NotReady>((resume) => {
  const port = randomInt(15_000, 32_000)
  const server = createServer()
  server.once("error", (cause) =>
    resume(Effect.fail(new NotReady({ message: `port ${port} is taken`, alive: false, cause }))))
  server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(port))))
})

/**
 * The embedded Postgres at rest: the folder that initdb makes once, its password, and who owns its files. Known limits:
 * one machine at a time (two containers that share a data folder cannot see each other's processes), and the major
 * version of Postgres stays the one that made it.
 */
import { Effect, FileSystem, Path, Redacted, Schedule } from "effect"
import { randomBytes } from "node:crypto"
import { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import * as PostgresBinaries from "./PostgresBinaries.ts"
import * as PostgresUser from "./PostgresUser.ts"

/** A cluster that exists; all paths are absolute. */
export interface PostgresFolder {
  readonly home: string
  readonly cluster: string
  readonly log: string
  readonly password: Redacted.Redacted
  readonly passwordFile: string
  readonly binaries: PostgresBinaries.PostgresBinaries
  readonly user: PostgresUser.PostgresUser
}

// postgresql.conf of a new cluster: a person may change these. What durability rests on (fsync, synchronous_commit,
// full_page_writes) stays at Postgres's defaults, which are on.
const settings = [
  // A pool of ten and its listeners, with room for a second service and a psql.
  "max_connections=50",
  "shared_buffers=128MB",
  // There is no replica: what this leaves out serves replication and archives, never recovery after a crash.
  "wal_level=minimal",
  "max_wal_senders=0",
  "max_logical_replication_workers=0",
  // Under load, fewer checkpoints mean fewer whole pages in the WAL. The price is recovery after a kill, which replays
  // at most 2 GB; a clean stop writes a checkpoint, so the next start replays nothing.
  "max_wal_size=2GB",
  "checkpoint_timeout=15min",
  // Segments kept for reuse spare a commit the making of a new file.
  "min_wal_size=256MB",
  // What the log reads the operating system has mostly cached: three worker processes fewer to start.
  "io_method=sync"
]

/** The cluster under `dataDir`, made by initdb where there is none. */
export const make = Effect.fn("PostgresFolder.make")(function*(dataDir: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = path.resolve(dataDir)
  const cluster = path.join(home, "postgres")

  if (!(yield* fs.exists(home))) {
    yield* fs.makeDirectory(home, { recursive: true })
    // The user that Postgres runs as may pass through, and sees nothing on the way.
    yield* fs.chmod(home, 0o711)
  }
  const binaries = yield* PostgresBinaries.locate()
  const user = yield* PostgresUser.choose(binaries.postgres, home)
  yield* sweep(home)
  if (!(yield* fs.exists(path.join(cluster, "PG_VERSION")))) yield* initialize({ home, cluster, binaries, user })
  const passwordFile = path.join(cluster, passwordName)
  const password = Redacted.make((yield* fs.readFileString(passwordFile)).trim())
  return { home, cluster, log: path.join(home, "postgres.log"), password, passwordFile, binaries, user }
})

/** Gives the files to the user, who may have changed: one was added to the system, or the folder has moved. */
export const own = Effect.fn("PostgresFolder.own")(function*({ cluster, user }: PostgresFolder) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { uid } = yield* fs.stat(cluster)
  if (user.owner === undefined || (uid._tag === "Some" && uid.value === user.owner.uid)) return
  for (const name of yield* fs.readDirectory(cluster, { recursive: true })) {
    yield* PostgresUser.give(user, path.join(cluster, name))
  }
  // Last, so that a walk that was cut short is done again.
  yield* PostgresUser.give(user, cluster)
})

const passwordName = "millstream.password"

/** initdb works in a folder of its own that bears the number of its maker, and is renamed when all is on disk. */
const initialize = Effect.fn("PostgresFolder.initialize")(function*(
  { binaries, cluster, home, user }: Pick<PostgresFolder, "home" | "cluster" | "binaries" | "user">
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const unfinished = path.join(home, `${unfinishedPrefix}${process.pid}`)
  const next = path.join(unfinished, "cluster")
  const pwfile = path.join(unfinished, "password")
  yield* Effect.logInfo(`Preparing a new Postgres in ${cluster}`)
  yield* Effect.gen(function*() {
    yield* fs.makeDirectory(next, { recursive: true })
    yield* fs.chmod(unfinished, 0o711)
    yield* fs.writeFileString(pwfile, randomBytes(32).toString("hex"), { mode: 0o600 })
    yield* PostgresUser.give(user, pwfile)
    yield* PostgresUser.give(user, next)
    const { code, output } = yield* PostgresUser.run(user, binaries.initdb, [
      "-D", next, "-U", "postgres", "-A", "scram-sha-256", `--pwfile=${pwfile}`,
      "--locale=C", "-E", "UTF8", "--data-checksums", ...settings.flatMap((setting) => ["-c", setting])
    ])
    if (code !== 0) {
      return yield* new EmbeddedPostgresUnavailable({
        problem: `initdb failed in ${home}: ${output.trim()}`,
        advice: "Remove the cause, or set DATABASE_URL"
      })
    }
    // The password moves with the cluster: neither is ever there without the other.
    yield* fs.rename(pwfile, path.join(next, passwordName))
    yield* sync(path.join(next, passwordName))
    yield* sync(next)
    yield* fs.rename(next, cluster)
    yield* sync(home)
  }).pipe(
    // Another service on this folder may have been faster; then its cluster is the one.
    Effect.catchTag("PlatformError", (error) =>
      Effect.flatMap(fs.exists(path.join(cluster, "PG_VERSION")), (made) => made ? Effect.void : Effect.fail(error))),
    Effect.ensuring(remove(unfinished))
  )
})

const unfinishedPrefix = "postgres.new-"

/** Removes what an initdb left whose service was killed. */
const sweep = Effect.fn("PostgresFolder.sweep")(function*(home: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  for (const name of yield* fs.readDirectory(home)) {
    if (!name.startsWith(unfinishedPrefix)) continue
    const maker = Number(name.slice(unfinishedPrefix.length))
    // A maker of our own number is an earlier life of a container.
    if (maker === process.pid || !PostgresUser.isAlive(maker)) yield* remove(path.join(home, name))
  }
})

const remove = Effect.fnUntraced(function*(leftover: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.remove(leftover, { recursive: true, force: true }).pipe(
    // An initdb that outlived its service may write for a moment more.
    Effect.retry(Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "2 seconds" }))),
    Effect.catch((error) => Effect.logWarning(`${leftover} could not be removed`, error))
  )
})

// Windows cannot flush a folder; there the rename itself is in the journal.
const sync = Effect.fnUntraced(function*(target: string) {
  const fs = yield* FileSystem.FileSystem
  if (process.platform === "win32") return
  yield* Effect.scoped(Effect.flatMap(fs.open(target), (file) => file.sync))
})

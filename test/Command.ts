/**
 * Runs a program as a person would from a shell in `cwd`: without what npm and the test runner put into the
 * environment, so that `node` is the system's own. Its process group ends with the scope. Not for Windows.
 */
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** What a program that ended has left: its exit code and all that it printed, both streams as they came. */
export interface Ended {
  readonly exitCode: number
  readonly output: string
}

const left = /^(npm_(config_local_prefix|package_|lifecycle_)|NODE_ENV$|VITEST|MILLSTREAM_|DATABASE_URL$|HOST$|PORT$)/

const environment = (extra: Record<string, string>): Record<string, string> => {
  const inherited: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || left.test(name)) continue
    inherited[name] = value
  }
  const path = (inherited["PATH"] ?? "").split(":").filter((entry) => !entry.includes("node_modules"))
  return { ...inherited, PATH: path.join(":"), NO_COLOR: "1", ...extra }
}

/** Starts it; `handle.all` is what it prints. */
export const start = (cwd: string, command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  ChildProcess.make(command, args, {
    cwd,
    env: environment(env),
    extendEnv: false,
    stdin: "ignore",
    // A server that does not end by itself within its bound of 2 s must not hold up the tests for ever.
    forceKillAfter: "10 seconds"
  })

/** Runs it to its end. A failing exit code is a result, not an error. */
export const run = Effect.fn("run")(function*(cwd: string, command: string, args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(start(cwd, command, args))
  const output = yield* Stream.mkString(Stream.decodeText(handle.all))
  return { exitCode: yield* handle.exitCode, output } satisfies Ended
}, Effect.scoped)

/** Runs the command line as a process of its own, without a terminal and knowing of no server. */
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

/** The program, for a shell that runs it. */
export const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url))

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Starts it; `stdin` is what it is given. */
export const start = (args: ReadonlyArray<string>, options: { stdin?: string; env?: Record<string, string> } = {}) => {
  const inherited: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(MILLSTREAM_|NO_COLOR$|FORCE_COLOR$|NODE_(?!COMPILE_CACHE$)|VITEST)/.test(name)) inherited[name] = value
  }
  return ChildProcess.make(process.execPath, [main, ...args], {
    env: { ...inherited, ...options.env },
    extendEnv: false,
    stdin: options.stdin === undefined ? "ignore" : Stream.make(new TextEncoder().encode(options.stdin))
  })
}

/** Runs it to its end. */
export const run = Effect.fn("run")(function*(args: ReadonlyArray<string>, options?: Parameters<typeof start>[1]) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(start(args, options))
  const [stdout, stderr] = yield* Effect.all([
    Stream.mkString(Stream.decodeText(handle.stdout)),
    Stream.mkString(Stream.decodeText(handle.stderr))
  ], { concurrency: 2 })
  return { code: yield* handle.exitCode, stdout, stderr } satisfies Ended
}, Effect.scoped)

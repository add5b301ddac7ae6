/**
 * Child processes and temporary folders of a benchmark: each is known from its start, so that none outlives the
 * run, whether it ends, fails or is interrupted. A benchmark that is itself killed with -9 leaves the product and
 * Postgres running (the references end with their standard input). A product that has to be killed leaves the Postgres
 * that it embeds, which ends by itself within a minute once its folder is gone.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

/** What a child printed last, in characters: enough to say why it failed. */
const keptOutput = 4_000

/** How long a child may take to end after its signal, in milliseconds, before it is killed. */
const patience = 10_000

export interface Child {
  readonly name: string
  readonly pid: number
  /** Settles with the exit code once the child has ended. */
  readonly ended: Promise<number>
  /** The first line on standard output that is a JSON object. */
  readonly greeting: Promise<string>
  /** What it printed last, on both outputs. */
  readonly output: () => string
  /** Asks it to end, waits, and kills it where it does not. */
  readonly stop: () => Promise<void>
}

export interface Options {
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number
  readonly gid?: number
  /** The signal that asks this program to end. */
  readonly signal?: NodeJS.Signals
  /** Keeps standard input open, so that the program can end when it closes. */
  readonly tied?: boolean
}

const children = new Map<Child, ChildProcess>()
const folders = new Set<string>()
const interruption = new AbortController()

/** Starts a program. It has its own process group: Ctrl-C reaches the benchmark, which stops its children. */
export const start = (name: string, command: string, args: ReadonlyArray<string>, options: Options = {}): Child => {
  interruption.signal.throwIfAborted()
  const { env, uid, gid, signal = "SIGTERM", tied = false } = options
  const spawned: ChildProcess = spawn(command, args, {
    detached: true,
    stdio: [tied ? "pipe" : "ignore", "pipe", "pipe"],
    ...(env === undefined ? {} : { env }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid })
  })
  let output = ""
  let line = ""
  const ended = new Promise<number>((resolve, reject) => {
    spawned.once("error", reject)
    spawned.once("close", (code) => resolve(code ?? -1))
  })
  const greeting = new Promise<string>((resolve, reject) => {
    spawned.stdout?.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-keptOutput)
      line += chunk.toString()
      const lines = line.split("\n")
      line = lines.pop() ?? ""
      const found = lines.find((text) => text.startsWith("{"))
      if (found !== undefined) resolve(found)
    })
    spawned.stderr?.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-keptOutput)
    })
    ended.then((code) => reject(new Error(`${name} ended with ${code}:\n${output}`)), reject)
  })
  // A child that nobody expects a greeting of ends without one; who waits for it still gets the reason.
  greeting.catch(() => undefined)
  if (spawned.pid === undefined) throw new Error(`${name} could not be started: ${command}`)
  let stopping: Promise<void> | undefined
  const stop = async () => {
    spawned.kill(signal)
    const late = setTimeout(() => spawned.kill("SIGKILL"), patience)
    await ended
    clearTimeout(late)
  }
  const child: Child = {
    name,
    pid: spawned.pid,
    ended,
    greeting,
    output: () => output,
    stop: () => stopping ??= stop()
  }
  children.set(child, spawned)
  spawned.once("close", () => children.delete(child))
  return child
}

/** A new folder that is removed at the end. Others may enter it: Postgres runs there as a user of its own. */
export const folder = (): string => {
  interruption.signal.throwIfAborted()
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "millstream-bench-"))
  fs.chmodSync(made, 0o755)
  folders.add(made)
  return made
}

/** Stops every child, the last started first, and removes every folder. */
const cleanUp = async (): Promise<void> => {
  for (const child of [...children.keys()].reverse()) await child.stop()
  for (const made of folders) fs.rmSync(made, { recursive: true, force: true })
  folders.clear()
}

// The last resort where something threw past the clean-up: an exit handler can only act at once.
process.once("exit", () => {
  for (const spawned of children.values()) spawned.kill("SIGKILL")
  for (const made of folders) fs.rmSync(made, { recursive: true, force: true })
})

/**
 * Runs a program of a benchmark: cleans up at its end, after a failure and on Ctrl-C, and sets the exit code. The
 * program is not told of an interruption: its children end, nothing more can be started, and so it fails.
 */
export const main = async (program: () => Promise<void>): Promise<void> => {
  const interrupt = () => {
    if (interruption.signal.aborted) return
    interruption.abort(new Error("interrupted"))
    process.exitCode = 130
    for (const child of [...children.keys()].reverse()) void child.stop()
  }
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  try {
    await program()
  } catch (error) {
    if (interruption.signal.aborted) console.error("interrupted")
    else {
      process.exitCode = 1
      console.error(error)
    }
  } finally {
    await cleanUp()
  }
}

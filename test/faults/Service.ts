/**
 * The service in a process of its own, on a data folder and a port that stay the same however often it is killed and
 * started again. Known limit: Linux only, like what it looks at.
 */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as FreePort from "../bench/FreePort.ts"
import * as PostgresTemplate from "../PostgresTemplate.ts"
import * as Fact from "./Fact.ts"
import * as PostgresProcesses from "./PostgresProcesses.ts"

/** What starts the service, in the folder of the project. */
export const command: ReadonlyArray<string> = ["src/cli/main.ts", "serve"]
const project = path.resolve(import.meta.dirname, "../..")
/** As much of what it prints as is kept, in characters. */
const keptOutput = 20_000

export interface Service {
  readonly dataDir: string
  readonly port: number
  readonly pid: () => number
  readonly output: () => string
  /** Starts it and waits until it takes appends. */
  readonly start: () => Promise<void>
  /** Waits until it takes appends. */
  readonly ready: () => Promise<void>
  /** The process is gone when it returns; its Postgres runs on. */
  readonly kill: () => Promise<void>
  /** Memory that it has in use, in bytes. */
  readonly memory: () => number
  /** Ends it, its Postgres and the folder. */
  readonly close: () => Promise<void>
}

const living = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL")
})

const statusOf = async (port: number): Promise<number> => {
  const { status } = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5_000) })
  return status
}

/** On a new data folder, or on the database that is named; with the processors of a file, if one is. */
export const make = async (databaseUrl?: string, processors?: string): Promise<Service> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "millstream-faults-"))
  fs.chmodSync(folder, 0o755)
  const dataDir = path.join(folder, "data")
  if (databaseUrl === undefined) await PostgresTemplate.copyTo(dataDir)
  const port = await FreePort.find()
  let child: ChildProcess | undefined
  let output = ""

  const ended = (each: ChildProcess) => each.exitCode !== null || each.signalCode !== null
  const end = async (signal: NodeJS.Signals) => {
    const each = child
    if (each === undefined) return
    each.kill(signal)
    await Fact.until("the end of the service", () => ended(each))
  }
  const ready = () =>
    Fact.until(`a service that is ready (it said: ${output.slice(-2_000)})`, async () => {
      if (child !== undefined && ended(child)) throw new Error(`The service has ended:\n${output}`)
      return (await statusOf(port)) === 200 && (processors === undefined || output.includes("at work"))
    })
  const start = () => {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) =>
      !name.startsWith("MILLSTREAM_") && name !== "DATABASE_URL" && !name.startsWith("VITEST")))
    const started = spawn(process.execPath, [...command, ...(processors === undefined ? [] : [processors])], {
      cwd: project,
      env: {
        ...env,
        HOST: "127.0.0.1",
        PORT: String(port),
        MILLSTREAM_DATA_DIR: dataDir,
        MILLSTREAM_CIRCUIT_BREAKER: "off",
        ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl })
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    child = started
    output = ""
    living.add(started)
    started.once("exit", () => living.delete(started))
    for (const stream of [started.stdout, started.stderr]) {
      stream.on("data", (chunk: Buffer) => output = (output + chunk.toString()).slice(-keptOutput))
    }
    return ready()
  }
  return {
    dataDir,
    port,
    pid: () => child?.pid ?? 0,
    output: () => output,
    start,
    ready,
    kill: () => end("SIGKILL"),
    memory: () => {
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${child?.pid}/status`, "utf8")) ?? []
      return Number(kilobytes) * 1_024
    },
    close: async () => {
      await end("SIGTERM")
      await PostgresProcesses.stop(dataDir)
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}

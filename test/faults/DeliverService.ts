/**
 * The service as it is struck while it pushes: started again and again on one data folder, on a new port each time,
 * and killed at once. Known limit: Linux only.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Child from "../bench/Child.ts"
import * as Server from "../bench/Server.ts"
import * as PostgresTemplate from "../PostgresTemplate.ts"
import * as PostgresProcesses from "./PostgresProcesses.ts"

export interface DeliverService {
  readonly dataDir: string
  readonly port: () => number
  readonly isUp: () => boolean
  /** Starts it and waits until it is ready. */
  readonly start: () => Promise<void>
  /** It is dead when this returns; its Postgres runs on. */
  readonly kill: () => void
  /** Once the system has cleared it away. */
  readonly ended: () => Promise<void>
  readonly output: () => string
  readonly memory: () => number
  /** Ends it and its Postgres. */
  readonly close: () => Promise<void>
}

/** What starts it, in the folder of the project. */
const command = ["src/cli/main.ts", "serve"]

/** On its own Postgres, or on the database that is named. It has the environment of this process. */
export const make = (databaseUrl?: string): DeliverService => {
  const dataDir = path.join(Child.folder(), "data")
  let server: Server.Server | undefined
  let up = false
  const serverOf = () => {
    if (server === undefined) throw new Error("It was not started")
    return server
  }
  return {
    dataDir,
    port: () => server?.target.port ?? 0,
    isUp: () => up,
    start: async () => {
      if (databaseUrl === undefined && !fs.existsSync(dataDir)) await PostgresTemplate.copyTo(dataDir)
      server = await Server.product(dataDir, databaseUrl, command)
      up = true
    },
    kill: () => {
      up = false
      process.kill(serverOf().target.pid, "SIGKILL")
    },
    ended: () => serverOf().stop(),
    output: () => server?.output() ?? "",
    memory: () => {
      const text = fs.readFileSync(`/proc/${serverOf().target.pid}/status`, "utf8")
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(text) ?? []
      return Number(kilobytes) * 1_024
    },
    close: async () => {
      await server?.stop()
      if (databaseUrl === undefined) await PostgresProcesses.stop(dataDir)
      fs.rmSync(path.dirname(dataDir), { recursive: true, force: true })
    }
  }
}

/** The URL under which another service reaches the Postgres of a data folder. */
export const databaseOf = (dataDir: string): string => {
  const folder = path.join(dataDir, "postgres")
  const [, , , port] = fs.readFileSync(path.join(folder, "postmaster.pid"), "utf8").split("\n")
  const password = fs.readFileSync(path.join(folder, "millstream.password"), "utf8").trim()
  return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`
}

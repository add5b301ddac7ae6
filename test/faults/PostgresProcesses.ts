/**
 * The embedded Postgres of a data folder as the operating system sees it: its processes, to be killed, stopped and
 * frozen, and a connection beside the service. Known limit: Linux only, since it reads `/proc`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { Client } from "pg"
import * as Fact from "./Fact.ts"

const pidFileOf = (dataDir: string): ReadonlyArray<string> =>
  fs.readFileSync(path.join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n")

/** The parent of a process, none where it has ended. */
const parentOf = (pid: string): number | undefined => {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1])
  } catch {
    // It ended between the listing and this look.
    return undefined
  }
}

const isPostgres = (pid: number): boolean => {
  try {
    return /^\d+ \(postgres\) [^ZX]/.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

/** The postmaster first, then what it has started; none where no Postgres runs. */
export const list = (dataDir: string): ReadonlyArray<number> => {
  if (!fs.existsSync(path.join(dataDir, "postgres", "postmaster.pid"))) return []
  const postmaster = Number(pidFileOf(dataDir)[0])
  if (!isPostgres(postmaster)) return []
  const children = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name) && parentOf(name) === postmaster)
  return [postmaster, ...children.map(Number)]
}

const send = (pids: ReadonlyArray<number>, signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (cause) {
      // A session that has just ended is as good as killed.
      if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause
    }
  }
}

/** Kills all of it at once: first everything stands still, so that nobody notices the end of another. */
export const kill = async (dataDir: string): Promise<void> => {
  await Fact.until("a Postgres that runs", () => list(dataDir).length > 1)
  const [postmaster = 0] = list(dataDir)
  send([postmaster], "SIGSTOP")
  const all = list(dataDir)
  send(all, "SIGSTOP")
  send(all, "SIGKILL")
  await Fact.until("the end of Postgres", () => all.every((pid) => !isPostgres(pid)))
}

/** Ends every session and shuts down, as an administrator would. Returns when the postmaster has ended. */
export const stop = async (dataDir: string): Promise<void> => {
  const [postmaster] = list(dataDir)
  if (postmaster === undefined) return
  send([postmaster], "SIGINT")
  await Fact.until("the end of Postgres", () => !isPostgres(postmaster))
}

/** Nothing of it runs until the returned function is called. */
export const freeze = (dataDir: string): () => void => {
  const [postmaster = 0] = list(dataDir)
  send([postmaster], "SIGSTOP")
  const all = list(dataDir)
  send(all, "SIGSTOP")
  return () => send(all, "SIGCONT")
}

/** Runs `use` on a connection of its own. */
export const connected = async <A>(dataDir: string, use: (client: Client) => Promise<A>): Promise<A> => {
  const client = new Client({
    host: "127.0.0.1",
    port: Number(pidFileOf(dataDir)[3]),
    user: "postgres",
    database: "postgres",
    password: fs.readFileSync(path.join(dataDir, "postgres", "millstream.password"), "utf8").trim(),
    application_name: "beside the service"
  })
  await client.connect()
  // A connection that breaks later also says so to whoever uses it.
  client.on("error", () => undefined)
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

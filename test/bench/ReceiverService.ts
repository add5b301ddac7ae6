/** The service that pushes to the receivers of a benchmark: what is appended to it, and what it has in memory. */
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import * as Child from "./Child.ts"
import * as Server from "./Server.ts"

export interface PushingService extends Server.Server {
  readonly url: string
  /** Appends an event, or several; fails unless they are recorded. */
  readonly append: (path: string, events: unknown) => Promise<void>
  /** Memory that it has in use, in megabytes. */
  readonly memory: () => number
  /** CPU time that it has used, in microseconds; Linux counts it in hundredths of a second. */
  readonly cpu: () => number
}

/** Starts it on a database; it may push to these targets, which are loopback. */
export const start = async (databaseUrl: string, targets: ReadonlyArray<string>): Promise<PushingService> => {
  // The product has the environment of this process, which starts nothing else that reads it.
  process.env["MILLSTREAM_ALLOW_EGRESS"] = targets.join(",")
  const server = await Server.product(path.join(Child.folder(), "data"), databaseUrl)
  const { host, pid, port } = server.target
  const url = `http://${host}:${port}`
  return {
    ...server,
    url,
    append: async (path, events) => {
      const headers = { "content-type": "application/json" }
      const answer = await fetch(`${url}/api/streams${path}`, { method: "POST", headers, body: JSON.stringify(events) })
      const text = await answer.text()
      if (answer.status !== 201) throw new Error(`${answer.status}: ${text}`)
    },
    memory: () => {
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
      return Number(kilobytes) / 1_000
    },
    cpu: () => {
      const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
      return (Number(fields[11]) + Number(fields[12])) * 10_000
    }
  }
}

/** Returns once something is so, and fails with what is told where it does not become so within some seconds. */
export const until = async (
  what: string,
  seconds: number,
  look: () => Promise<boolean>,
  told: () => Promise<unknown>
): Promise<void> => {
  const deadline = performance.now() + seconds * 1_000
  while (!await look()) {
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come true within ${seconds} s: ${JSON.stringify(await told())}`)
    }
    await delay(20)
  }
}

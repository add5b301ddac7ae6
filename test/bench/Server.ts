/** The servers that are measured: how each is started, and when it is ready. Each is a process of its own. */
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import * as Child from "./Child.ts"
import type { Target } from "./Dialect.ts"
import * as FreePort from "./FreePort.ts"
import type { PostgresCluster } from "./PostgresCluster.ts"

/** How the product is started, from the root of the project. */
const productCommand: ReadonlyArray<string> = ["src/cli/main.ts", "serve"]

/** How long a server may take until it is ready, in milliseconds: a first start makes a database. */
const patience = 60_000

export const names = ["product", "proto", "ceiling", "durable"] as const
export type Name = typeof names[number]

export interface Server {
  readonly name: Name
  readonly target: Target
  /** What it printed last. */
  readonly output: () => string
  readonly stop: () => Promise<void>
}

const root = path.resolve(import.meta.dirname, "../..")

/**
 * Starts the product with its data in a folder; without a URL it runs the Postgres that it embeds. Another command can
 * be what serves.
 */
export const product = async (
  dataDir: string,
  databaseUrl?: string,
  serve: ReadonlyArray<string> = productCommand
): Promise<Server> => {
  const port = await FreePort.find()
  const { DATABASE_URL: _, ...inherited } = process.env
  const env = {
    ...inherited,
    HOST: "127.0.0.1",
    PORT: String(port),
    MILLSTREAM_DATA_DIR: dataDir,
    MILLSTREAM_CIRCUIT_BREAKER: "off",
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl })
  }
  const command = serve.map((part) => part.endsWith(".ts") ? path.resolve(root, part) : part)
  const child = Child.start("product", process.execPath, command, { env })
  let isOver = false
  const over = child.ended.finally(() => {
    isOver = true
  })
  const deadline = performance.now() + patience
  for (;;) {
    const status = await fetch(`http://127.0.0.1:${port}/health`).then((response) => response.status, () => 0)
    if (status === 200) break
    if (isOver) throw new Error(`the product ended with ${await over}:\n${child.output()}`)
    if (performance.now() > deadline) throw new Error(`the product is not ready, health ${status}:\n${child.output()}`)
    await delay(20)
  }
  const target: Target = { host: "127.0.0.1", port, dialect: "millstream", pid: child.pid }
  return { name: "product", target, output: child.output, stop: child.stop }
}

const reference = async (name: Name, dialect: Target["dialect"], env: NodeJS.ProcessEnv): Promise<Server> => {
  const program = path.join(import.meta.dirname, `${name}.ts`)
  const child = Child.start(name, process.execPath, [program], { env: { ...process.env, ...env }, tied: true })
  const greeting: { readonly url: string } = JSON.parse(await child.greeting)
  const { hostname, port } = new URL(greeting.url)
  const target: Target = { host: hostname, port: Number(port), dialect, pid: child.pid }
  return { name, target, output: child.output, stop: child.stop }
}

/** Starts a server by its name; those that need Postgres get a database of their own in the same cluster. */
export const start = async (name: Name, postgres: PostgresCluster): Promise<Server> => {
  switch (name) {
    case "product":
      return product(path.join(Child.folder(), "data"), await postgres.database("product"))
    case "proto":
      return reference(name, "millstream", { DATABASE_URL: await postgres.database("proto") })
    case "ceiling":
      return reference(name, "millstream", {})
    case "durable": {
      const dataDir = path.join(Child.folder(), "data")
      fs.mkdirSync(dataDir)
      return reference(name, "durable", { DATA_DIR: dataDir })
    }
  }
}

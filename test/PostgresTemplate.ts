/**
 * A cluster that initdb makes once for a run of the tests, and that is copied from then on: initdb takes longer than
 * most of what is tested on it. Known limits: outside of such a run, and on Windows, each makes its own; all copies
 * have the same password.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import * as PostgresFolder from "../src/log/PostgresFolder.ts"

const run = promisify(execFile)
const variable = "POSTGRES_TEMPLATE"

/** For vitest, around all tests: where the template will be. */
export const setup = (): () => void => {
  if (process.platform === "win32") return () => undefined
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "millstream-template-"))
  // Started as root, Postgres runs as another user, who has to pass through.
  fs.chmodSync(home, 0o755)
  process.env[variable] = home
  return () => fs.rmSync(home, { recursive: true, force: true })
}

/** The template, made by whoever needs it first. Two may be at it at once: the second one's is thrown away. */
const template = async (home: string): Promise<string> => {
  const made = path.join(home, "data")
  if (fs.existsSync(made)) return made
  const mine = fs.mkdtempSync(path.join(home, "making-"))
  fs.chmodSync(mine, 0o755)
  const data = path.join(mine, "data")
  await Effect.runPromise(PostgresFolder.make(data).pipe(Effect.provide(NodeServices.layer)))
  try {
    fs.renameSync(data, made)
  } catch (cause) {
    if (!fs.existsSync(made)) throw cause
  }
  fs.rmSync(mine, { recursive: true, force: true })
  return made
}

/** Puts a new cluster into a data folder that does not exist yet, so that its service need not make one. */
export const copyTo = async (dataDir: string): Promise<void> => {
  const home = process.env[variable]
  if (home !== undefined) await run("cp", ["-a", await template(home), dataDir])
}

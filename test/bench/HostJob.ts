/**
 * One measurement inside a process that hosts processors, as plain data: what it is asked to do and what it found in
 * each round.
 */
import * as path from "node:path"
import * as Child from "./Child.ts"
import * as Machine from "./Machine.ts"

export type Job =
  /** Reads and decodes a stream, and folds it by a processor that was not there before. */
  | { readonly kind: "fold"; readonly events: number; readonly rounds: number }
  /** Answers so many events of each of some streams, which are there already. */
  | { readonly kind: "hooks"; readonly streams: number; readonly events: number }
  /** From an append to its event on a tail, and to that of the hook. */
  | { readonly kind: "latency"; readonly appends: number; readonly rounds: number }
  /** What instances that sleep hold in memory. */
  | { readonly kind: "asleep"; readonly instances: number }
  /** The whole service, with a processor that answers, until it is stopped. */
  | { readonly kind: "serve"; readonly streams: string }

/** Figures by name: `rate` per second, `cpu` in microseconds for each thing counted, `p50` in milliseconds, bytes. */
export type Figures = { readonly [name: string]: number }

export interface Found {
  readonly reference?: Figures
  readonly measured: Figures
}

/** How long a job may take, in milliseconds. */
const patience = 300_000

export const program = path.join(import.meta.dirname, "host.ts")

const isFound = (value: unknown): value is { readonly rounds: ReadonlyArray<Found> } =>
  typeof value === "object" && value !== null && "rounds" in value && Array.isArray(value.rounds)

/** What a job found, and which share of the machine's CPU time went to something else meanwhile. */
export interface Result {
  readonly rounds: ReadonlyArray<Found>
  readonly elsewhere: number | undefined
}

/** Runs a job on a database of its own; one that hangs is ended and fails. */
export const run = async (databaseUrl: string, job: Job): Promise<Result> => {
  const env = { ...process.env, DATABASE_URL: databaseUrl, MILLSTREAM_CIRCUIT_BREAKER: "off" }
  const command = ["--expose-gc", program, JSON.stringify(job)]
  const child = Child.start("host", process.execPath, command, { env, tied: true })
  const late = setTimeout(() => void child.stop(), patience)
  const watched = Machine.watch()
  try {
    const found: unknown = JSON.parse(await child.greeting)
    if (!isFound(found)) throw new Error(`the host answered ${JSON.stringify(found)}`)
    await child.ended
    return { rounds: found.rounds, elsewhere: watched() }
  } catch (cause) {
    throw new Error(`${job.kind} failed; it printed last:\n${child.output()}`, { cause })
  } finally {
    clearTimeout(late)
    await child.stop()
  }
}

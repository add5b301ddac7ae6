/**
 * One measurement, as plain data: what the load generator is asked to do and what it found. Each runs in a process of
 * its own, which neither shares an event loop with a server nor remembers the job before.
 */
import * as path from "node:path"
import * as Child from "./Child.ts"
import type { Format } from "./Dialect.ts"
import * as Machine from "./Machine.ts"
import type { Server } from "./Server.ts"

/** What is left running before it is measured, in seconds: connections, plans and compiled code become warm. */
export const warmUp = 1

export type Job =
  /** Connections that append one after the other, spread over streams `<path>/0` and on; counts events. */
  | {
    readonly kind: "append"
    readonly path: string
    readonly connections: number
    readonly streams: number
    readonly batch: number
    readonly seconds: number
  }
  /**
   * One tail, and appends of which each waits for the one before to arrive there; the time in between. Where a type is
   * given, what arrives is the answer of that type.
   */
  | { readonly kind: "latency"; readonly path: string; readonly answer?: string; readonly seconds: number }
  /** Many tails on one stream, and appends as fast as they keep up with; counts deliveries. */
  | { readonly kind: "fanOut"; readonly path: string; readonly tails: number; readonly seconds: number }
  /** Appends events in batches, in order. Measures the whole of it. */
  | { readonly kind: "fill"; readonly path: string; readonly events: number }
  /** Appends one event to each of the streams `<path>/<from>` to `<path>/<to - 1>`. Measures the whole of it. */
  | { readonly kind: "streams"; readonly path: string; readonly from: number; readonly to: number }
  /** Reads a stream of that many events from its start, again and again; counts events. */
  | {
    readonly kind: "catchUp"
    readonly path: string
    readonly events: number
    readonly format: Format
    readonly seconds: number
  }
  /** Sends the same GET again and again, and times it. */
  | { readonly kind: "get"; readonly url: string; readonly seconds: number }

export interface Found {
  /** Of what the job counts, per second. */
  readonly rate: number
  /** Of a request, or from append to tail, in milliseconds. */
  readonly p50?: number
  readonly p99?: number
  /** CPU time of the server's process for each thing counted, in microseconds. Only where there is `/proc`. */
  readonly cpu?: number
  /** Which share of the machine's CPU time went to something else meanwhile. */
  readonly elsewhere?: number
}

/** How long a job may take beyond its seconds, in milliseconds: a fill of 100,000 events takes a few seconds. */
const patience = 120_000

const isFound = (value: unknown): value is Found =>
  typeof value === "object" && value !== null && "rate" in value && typeof value.rate === "number"

/** Runs a job against a server and returns what it found; one that hangs is ended and fails. */
export const run = async (server: Server, job: Job): Promise<Found> => {
  const { target } = server
  const program = path.join(import.meta.dirname, "load.ts")
  const child = Child.start("load", process.execPath, [program, JSON.stringify({ target, job })], { tied: true })
  const seconds = "seconds" in job ? job.seconds : 0
  const late = setTimeout(() => void child.stop(), seconds * 1_000 + patience)
  const watched = Machine.watch()
  try {
    const found: unknown = JSON.parse(await child.greeting)
    if (!isFound(found)) throw new Error(`the load generator answered ${JSON.stringify(found)}`)
    await child.ended
    const elsewhere = watched()
    return elsewhere === undefined ? found : { ...found, elsewhere }
  } catch (cause) {
    throw new Error(`${job.kind} on ${server.name} failed; it printed last:\n${server.output()}`, { cause })
  } finally {
    clearTimeout(late)
    await child.stop()
  }
}

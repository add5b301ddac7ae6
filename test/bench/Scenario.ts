/** What is measured, between whom, and what the product must reach relative to `proto`. */
import type { Format } from "./Dialect.ts"
import type { Job } from "./Job.ts"
import type { Name } from "./Server.ts"

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** The figure that is compared: a rate, where more is better, or a median time, where less is. */
  readonly figure: "rate" | "p50"
  /** The least that product / proto may be for a rate, the most that it may be for a time. */
  readonly bar: number
  readonly servers: ReadonlyArray<Name>
  /** Fills the stream once for each server, before its first round. */
  readonly fill?: (path: string) => Job
  readonly job: (path: string, seconds: number) => Job
}

const all: ReadonlyArray<Name> = ["product", "proto", "ceiling", "durable"]

const append = (
  name: string,
  title: string,
  bar: number,
  shape: { readonly connections: number; readonly streams: number; readonly batch: number }
): Scenario => ({
  name,
  title,
  unit: "events/s",
  figure: "rate",
  bar,
  servers: all,
  job: (path, seconds) => ({ kind: "append", path, seconds, ...shape })
})

/** Events of the stream that a catch-up reads. */
const history = 100_000

const catchUp = (name: string, title: string, format: Format): Scenario => ({
  name,
  title,
  unit: "events/s",
  figure: "rate",
  bar: 1,
  servers: ["product", "proto", "durable"],
  fill: (path) => ({ kind: "fill", path, events: history }),
  job: (path, seconds) => ({ kind: "catchUp", path, events: history, format, seconds })
})

/** Every measurement, with the bars that the project set itself. */
export const scenarios: ReadonlyArray<Scenario> = [
  append("append-64", "append, 64 connections, one stream", 0.8, { connections: 64, streams: 1, batch: 1 }),
  append("append-64x64", "append, 64 connections, 64 streams", 0.8, { connections: 64, streams: 64, batch: 1 }),
  append("batch-100", "batches of 100, 8 connections, one stream", 1.3, { connections: 8, streams: 1, batch: 100 }),
  append("append-1", "append, 1 connection", 0.8, { connections: 1, streams: 1, batch: 1 }),
  {
    name: "latency",
    title: "append to tail",
    unit: "ms, p50",
    figure: "p50",
    bar: 1.3,
    servers: ["product", "proto", "ceiling"],
    job: (path, seconds) => ({ kind: "latency", path, seconds })
  },
  {
    name: "tails-1000",
    title: "1,000 tails on one stream",
    unit: "deliveries/s",
    figure: "rate",
    bar: 0.8,
    servers: ["product", "proto"],
    job: (path, seconds) => ({ kind: "fanOut", path, tails: 1_000, seconds })
  },
  catchUp("catch-up", "catch-up of 100,000 events, SSE", "sse"),
  catchUp("catch-up-ndjson", "catch-up of 100,000 events, NDJSON", "ndjson")
]

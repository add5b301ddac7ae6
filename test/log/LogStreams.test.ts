/** `Streams` in the process of the log, on both logs. */
import { Layer } from "effect"
import { Growth } from "../../src/log/Growth.ts"
import * as LogStreams from "../../src/log/LogStreams.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { suite } from "../StreamsSuite.ts"
import * as TestPostgres from "../TestPostgres.ts"

const streams = LogStreams.layer({ breaker: { capacity: 100, refillPerSecond: 100 } })

suite("in process, in memory", streams.pipe(
  Layer.provide(MemoryEventStore.layer),
  Layer.provide(Growth.layer)
))

suite("in process, on Postgres", streams.pipe(Layer.provide(TestPostgres.log)))

/**
 * The log on Postgres 15 or newer. Known limit: a long write transaction anywhere in the cluster delays
 * reading across streams, never reading one.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import * as Appender from "./Appender.ts"
import { Arrivals } from "./Arrivals.ts"
import * as CarefulCommit from "./CarefulCommit.ts"
import { Causes } from "./Causes.ts"
import { Checkpoints } from "./Checkpoints.ts"
import { Directory } from "./Directory.ts"
import { EventStore } from "./EventStore.ts"
import type * as Group from "./Group.ts"
import * as GroupCommit from "./GroupCommit.ts"
import { Growth } from "./Growth.ts"
import { HeadCache } from "./HeadCache.ts"
import { LogClock } from "./LogClock.ts"
import * as PgCauses from "./PgCauses.ts"
import * as PgAtHeads from "./PgAtHeads.ts"
import * as PgCheckpoints from "./PgCheckpoints.ts"
import * as PgCommitter from "./PgCommitter.ts"
import * as PgDirectory from "./PgDirectory.ts"
import * as PgHorizon from "./PgHorizon.ts"
import * as PgInstanceChange from "./PgInstanceChange.ts"
import * as PgNotices from "./PgNotices.ts"
import * as PgPipe from "./PgPipe.ts"
import * as PgPrefix from "./PgPrefix.ts"
import * as PgReader from "./PgReader.ts"
import * as PgRemoval from "./PgRemoval.ts"
import * as PgSetup from "./PgSetup.ts"
import * as PgSnapshots from "./PgSnapshots.ts"
import { Recent } from "./Recent.ts"
import * as Watchdog from "./Watchdog.ts"

export interface Options {
  /** The breaker of streams that configure none. */
  readonly breaker: Limit | "off"
}

/** Connections for appends: one for the queue, one for deletes and changes, the others for streams that are locked. */
const writerConnections = 6
/** Connections for what processors ask for, so that slow reads of others can not hold that up. */
const processorConnections = 4
/** Connections for leases: a renewal waits for nothing, and a takeover for commits of the epoch before. */
const leaseConnections = 2
/** A row that another server has locked is waited for so long, then what needs it waits elsewhere. */
const lockTimeout = "1s"
/** A server that was frozen in a transaction holds its locks so long at most: less than a lease that nobody set. */
const idleTimeout = "3s"
/**
 * How the queries of appends are planned: once, and by index always. The statistics of a young table are stale, and a
 * plan that was made for ten streams must not scan a hundred thousand.
 */
const planning = { plan_cache_mode: "force_generic_plan", enable_seqscan: "off", jit: "off" }
/** A check of the log that takes longer is a failed one. */
const checkTimeout = "2 seconds"
/** A read that takes longer has met a connection that is dead and does not say so; the next one has another. */
const readTimeout = "8 seconds"

const make = Effect.fnUntraced(function*(options: Options) {
  const client = yield* PgClient.PgClient
  const growth = yield* Growth
  const server = crypto.randomUUID()
  const cache = new HeadCache()
  const clock = new LogClock()
  const recent = new Recent()
  const watchdog = yield* Watchdog.make

  yield* PgSetup.run
  const [now] = yield* client<{ readonly clock: number }>`select extract(epoch from clock_timestamp())::float8 * 1000 as clock`
  if (now !== undefined) clock.observe(now.clock)
  // Appends have connections of their own, so that slow reads can not hold them up.
  const startupParameters = {
    ...client.config.startupParameters,
    ...planning,
    lock_timeout: lockTimeout,
    idle_in_transaction_session_timeout: idleTimeout
  }
  const writers = yield* PgClient.make({
    ...client.config,
    maxConnections: writerConnections,
    applicationName: "millstream appender",
    startupParameters
  })
  const onWriters = Effect.provideService(SqlClient, writers)
  const connect = (maxConnections: number, applicationName: string) =>
    PgClient.make({ ...client.config, maxConnections, applicationName, startupParameters })
  const checkpointsOn = (connections: SqlClient) =>
    Effect.provideService(PgCheckpoints.make(server), SqlClient, connections)
  const processors = yield* connect(processorConnections, "millstream processors")
  const checkpoints = yield* checkpointsOn(processors)
  const snapshots = yield* Effect.provideService(PgSnapshots.make, SqlClient, processors)
  const leases = yield* checkpointsOn(yield* connect(leaseConnections, "millstream leases"))

  const onCommitted = ({ events, heads }: Group.Plan): void => {
    const types = new Map<StreamPath, Set<string>>()
    for (const event of events) {
      if (growth.isWatched(event.streamPath)) recent.push(event)
      else recent.drop(event.streamPath)
      const written = types.get(event.streamPath)
      if (written === undefined) types.set(event.streamPath, new Set([event.type]))
      else written.add(event.type)
    }
    for (const [path, { offset }] of heads) {
      growth.announce({ path, head: offset, types: types.get(path), deleted: false })
    }
  }
  const committing = { watchdog, cache, clock, breaker: options.breaker, onCommitted }
  const lane = onWriters(Effect.map(PgCommitter.make(server), (committer) => GroupCommit.make({ ...committing, committer })))
  const committer = yield* onWriters(PgCommitter.make(server))
  const pipe = yield* PgPipe.make(
    { ...client.config, applicationName: "millstream groups", startupParameters },
    watchdog,
    CarefulCommit.callTimeout
  )
  const atHeads = PgAtHeads.make(pipe, committer.writer, server)
  const appender = yield* Appender.make({ main: GroupCommit.make({ ...committing, committer, atHeads }), lane })
  const { change, remove } = yield* onWriters(
    Effect.flatMap(PgCommitter.make(server), (committer) =>
      Effect.all({
        change: PgInstanceChange.make(committer, clock),
        remove: PgRemoval.make(server, committer, clock)
      }))
  )
  yield* PgNotices.listen(server, { cache, recent })
  const readPage = yield* PgReader.make
  const readWithin = yield* PgPrefix.make
  const directory = yield* PgDirectory.make
  const causes = yield* PgCauses.make
  const horizonAge = yield* PgHorizon.make

  const onRemoved = ({ plan, removed }: PgRemoval.Removal): void => {
    for (const path of [...removed, ...plan.heads.keys()]) cache.delete(path)
    for (const path of removed) {
      recent.drop(path)
      growth.announce({ path, head: undefined, types: undefined, deleted: true })
    }
    onCommitted(plan)
  }

  return Context.make(EventStore, {
    append: appender.append,
    commit: appender.commit,
    read: (path, options) => inTime(readPage(path, options)),
    readWithin: (prefix, options) => inTime(readWithin(prefix, options)),
    remove: (path, { recursive }) => available(remove(path, recursive, onRemoved)),
    recent: (path, after) => recent.page(path, after)
  }).pipe(Context.add(Arrivals, {
    record: appender.arrive,
    hint: (path) => cache.get(path)?.core.verification
  }), Context.add(Directory, {
    describe: (path) => inTime(directory.describe(path)),
    children: (path, options) => inTime(directory.children(path, options)),
    check: Effect.timeoutOrElse(appender.check, {
      duration: checkTimeout,
      orElse: () => Effect.fail(new Unavailable({ reason: "The database does not answer", retryAfterSeconds: 1 }))
    }),
    horizonAge: inTime(horizonAge)
  }), Context.add(Causes, {
    chain: (path, offset) => inTime(causes.chain(path, offset)),
    effects: (path, offset) => inTime(causes.effects(path, offset))
  }), Context.add(Checkpoints, {
    register: (registration) => Effect.andThen(inTime(checkpoints.register(registration)), snapshots.sweepSoon),
    registered: inTime(checkpoints.registered),
    claim: (...asked) => inTime(leases.claim(...asked)),
    release: (lease) => inTime(leases.release(lease)),
    advance: (lease) => soon(Effect.catchTag(checkpoints.advance(lease), "SqlError", away)),
    undone: (processor, after) => inTime(checkpoints.undone(processor, after)),
    open: (lease, path) => soon(Effect.catchTag(checkpoints.open(lease, path), "SqlError", away)),
    instances: (...asked) => inTime(checkpoints.instances(...asked)),
    instancesOn: (path) => inTime(checkpoints.instancesOn(path)),
    snapshot: (...asked) => inTime(snapshots.snapshot(...asked)),
    prepare: (...asked) => inTime(snapshots.prepare(...asked)),
    unprepared: (...asked) => inTime(snapshots.unprepared(...asked)),
    keep: (...kept) => inTime(snapshots.keep(...kept)),
    change: (processor, path, word) =>
      Effect.map(Effect.catchTag(change(processor, path, word), "SqlError", away), (plan) => {
        for (const each of plan.heads.keys()) cache.delete(each)
        onCommitted(plan)
      })
  }))
})

const away = (error: SqlError) =>
  Effect.andThen(
    Effect.logWarning("A query failed", error),
    Effect.fail(new Unavailable({ reason: "The database is away", retryAfterSeconds: 1 }))
  )

const available = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, Unavailable> =>
  Effect.catchTag(effect, "SqlError", away)

const soon = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Unavailable> =>
  Effect.timeoutOrElse(effect, {
    duration: readTimeout,
    orElse: () => Effect.fail(new Unavailable({ reason: "The database does not answer", retryAfterSeconds: 1 }))
  })

const inTime = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, Unavailable> => soon(available(effect))

/** The log over the `PgClient` in scope; it makes its tables on first use. */
export const layer = (
  options: Options
): Layer.Layer<
  EventStore | Arrivals | Directory | Causes | Checkpoints,
  SqlError | PgSetup.SetupError,
  PgClient.PgClient | SqlClient | Growth
> =>
  Layer.effectContext(make(options)).pipe(Layer.provide(Reactivity.layer))

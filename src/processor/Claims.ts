/**
 * Processors that run elsewhere: they claim what they are to do, and commit what they did. What an owner says of its
 * own work is believed, since only the lease's epoch lets it say so; causes are stamped here. What is kept of a version
 * that is prepared needs no lease: anyone who may write may say what it folds to, until it is the registered one.
 */
import { Clock, Context, Effect, Latch, Layer, Option } from "effect"
import { Fenced } from "../domain/StreamError.ts"
import type { InvalidRequest, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { Instance, Lease, Registration } from "../log/Checkpoints.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import * as Commits from "./Commits.ts"
import * as Owners from "./Owners.ts"
import { Remembered } from "./Remembered.ts"
import { Supervisor } from "./Supervisor.ts"

/** Moves of the cursor in one claim, of some thousand events each: it answers within a second. */
const advances = 10
/** Instances that are opened at a time. */
const openedAtOnce = 4
/** Bound of the instances in one claim, in UTF-16 units: behind it no more are opened, and the next claim goes on. */
const maxOpened = 4 * 1_024 * 1_024
/** A signal that was lost, or an older transaction that is still under way, delays a claim that waits by so much. */
const lookAgain = 250
/** Claims that wait at a time, each of which looks again and again; more are answered at once. */
const maxWaiting = 1_000
/** Leases whose versions are remembered. */
const remembered = 1_000

export interface Options {
  /** Bound of the crossings between streams in one chain of causes. */
  readonly maxHops: number
  /** How long a lease holds whose owner does not say it, in milliseconds. */
  readonly leaseMillis: number
}

export interface Claiming {
  readonly registration: Registration
  /** None: a new one is made. */
  readonly owner: string | undefined
  /** Whether this definition takes the place of another one; none: where the owner was not heard of for a while. */
  readonly takeOver: boolean | undefined
  /** How long the lease holds; none: as long as by default. */
  readonly millis: number | undefined
  /** Lists instances on streams behind this one, at most `limit`. */
  readonly after: StreamPath | undefined
  readonly limit: number
  /** How long it waits for something to do. */
  readonly waitMillis: number
}

export interface Claim {
  readonly owner: string
  /** None while another owner holds it. `until` is in milliseconds since 1970, by this server's clock. */
  readonly held: { readonly lease: Lease; readonly until: number } | undefined
  readonly instances: ReadonlyArray<Instance>
  readonly more: boolean
}

export class Claims extends Context.Service<Claims, {
  /** Makes a processor known that runs elsewhere. */
  readonly register: (registration: Registration) => Effect.Effect<void, InvalidRequest | Unavailable>
  /** `Checkpoints.prepare` and `keep` of a processor that runs elsewhere. */
  readonly prepare: (
    ...said: Parameters<Checkpoints["Service"]["prepare"]>
  ) => Effect.Effect<void, InvalidRequest | Unavailable>
  readonly keep: (
    ...kept: Parameters<Checkpoints["Service"]["keep"]>
  ) => Effect.Effect<boolean, InvalidRequest | Unavailable>
  /** Takes the lease, or renews it, and lists instances that have something to do. */
  readonly claim: (claiming: Claiming) => Effect.Effect<Claim, InvalidRequest | Unavailable>
  /** Records what an owner did. What is done already is recorded once, however often it is sent. */
  readonly commit: (committing: Commits.Committing) => Effect.Effect<Commits.Committed, Commits.CommitError>
}>()("millstream/processor/Claims") {
  static readonly layer = (options: Options) => Layer.effect(Claims, make(options))
}

const make = Effect.fnUntraced(function*(options: Options) {
  const checkpoints = yield* Checkpoints
  const growth = yield* Growth
  const store = yield* EventStore
  const supervisor = yield* Supervisor
  const owners = Owners.make({ checkpoints, supervisor, leaseMillis: options.leaseMillis })
  const versions = new Remembered<number>(remembered)
  let waiting = 0

  /** Looks through what the log has grown: whether that led to something, and whether there is more of it. */
  const advance = Effect.fnUntraced(function*(lease: Lease) {
    let isNoted = false
    let more = true
    for (let moved = 0; more && moved < advances; moved++) {
      const { paths, ...rest } = yield* checkpoints.advance(lease)
      isNoted ||= paths.length > 0
      more = rest.more
    }
    return { isNoted, more }
  })

  const list = Effect.fnUntraced(function*(lease: Lease, { after, limit }: Claiming, more: boolean) {
    const paths = yield* checkpoints.undone(lease.processor, after ?? "")
    const instances: Array<Instance> = []
    let looked = 0
    let size = 0
    while (looked < Math.min(limit, paths.length) && size < maxOpened) {
      const next = paths.slice(looked, Math.min(limit, looked + openedAtOnce))
      looked += next.length
      const opened = yield* Effect.forEach(next, (path) => checkpoints.open(lease, path), { concurrency: openedAtOnce })
      for (const instance of opened) {
        if (Option.isNone(instance)) continue
        instances.push(instance.value)
        size += sizeOf(instance.value)
      }
    }
    return { instances, more: more || looked < paths.length }
  })

  /** The same, once there is something or the time is over. */
  const listWithin = Effect.fnUntraced(function*(lease: Lease, claiming: Claiming, millis: number) {
    const grown = Latch.makeUnsafe()
    const isMeant = StreamPattern.matcher(claiming.registration.streams)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        waiting += 1
        return growth.onPrefix(Path.root, ({ path }) => {
          if (isMeant(path)) grown.openUnsafe()
        })
      }),
      (stop) =>
        Effect.sync(() => {
          waiting -= 1
          stop()
        })
    )
    const end = (yield* Clock.currentTimeMillis) + (waiting > maxWaiting ? 0 : millis)
    // All instances are looked at first, and then only where something came: a look takes as long as they are many.
    let isDue = true
    while (true) {
      grown.closeUnsafe()
      const { isNoted, more } = yield* advance(lease)
      const listed = isDue || isNoted || more ? yield* list(lease, claiming, more) : none
      const left = end - (yield* Clock.currentTimeMillis)
      if (listed.instances.length > 0 || listed.more || left <= 0) return listed
      // One whose client has left must not look on.
      isDue = Option.isSome(yield* Effect.interruptible(Effect.timeoutOption(grown.await, Math.min(left, lookAgain))))
    }
  }, Effect.scoped)

  const claim = Effect.fnUntraced(function*(claiming: Claiming): Effect.fn.Return<Claim, InvalidRequest | Unavailable> {
    const { limit, millis = options.leaseMillis, owner = crypto.randomUUID(), registration, waitMillis } = claiming
    const { processor, version } = registration
    yield* owners.hear(claiming, owner)
    const from = yield* Clock.currentTimeMillis
    const none: Claim = { owner, held: undefined, instances: [], more: false }
    const lease = yield* checkpoints.claim(processor, owner, millis, { version })
    if (Option.isNone(lease)) return none
    versions.set(keyOf(lease.value), version)
    const held = { lease: lease.value, until: from + millis }
    const listed = limit === 0
      ? Effect.succeed({ instances: [], more: false })
      // The lease has to be renewed in time.
      : listWithin(lease.value, claiming, Math.min(waitMillis, millis / 2))
    return yield* listed.pipe(
      Effect.map((found) => ({ owner, held, ...found })),
      // Another owner took over since.
      Effect.catchTag("Fenced", () => Effect.succeed(none))
    )
  })

  /** The version that an owner claimed with. */
  const versionOf = Effect.fnUntraced(function*(lease: Lease) {
    const known = versions.get(keyOf(lease))
    if (known !== undefined) return known
    // Claimed through another server, or before this one was started.
    const found = (yield* checkpoints.registered).find(({ processor }) => processor === lease.processor)
    if (found === undefined) return yield* new Fenced({ processor: lease.processor, lost: "lease" })
    versions.set(keyOf(lease), found.version)
    return found.version
  })

  const commit = Commits.make({ checkpoints, store, maxHops: options.maxHops, versionOf })

  return Claims.of({
    register: owners.register,
    prepare: (...said) => Effect.andThen(owners.elsewhere(said[0]), checkpoints.prepare(...said)),
    keep: (...kept) => Effect.andThen(owners.elsewhere(kept[0]), checkpoints.keep(...kept)),
    claim,
    commit
  })
})

/** The size of what is told of an instance. */
const sizeOf = ({ cursors, fibers = "", state = "" }: Instance): number =>
  cursors.reduce(
    (sum, { key, kind, value }) => sum + key.length + kind.length + value.length,
    state.length + fibers.length
  )

const none = { instances: [], more: false }

const keyOf = ({ epoch, processor }: Lease): string => JSON.stringify([processor, String(epoch)])

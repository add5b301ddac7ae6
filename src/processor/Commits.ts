/**
 * What owners of processors elsewhere have done, recorded. Who knows the instance says what it is to be; who does not
 * is held to what it has come to, so that a commit may be sent again.
 */
import { Effect, Option } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import { Fenced, InvalidRequest } from "../domain/StreamError.ts"
import type { AppendError, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as AddedTypes from "../log/AddedTypes.ts"
import type { Checkpoint, Checkpoints, FiberCursor, Instance, Lease, Parked } from "../log/Checkpoints.ts"
import type { Commit, EventStore } from "../log/EventStore.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { Emit } from "./Stamping.ts"
import * as Stamping from "./Stamping.ts"

/** What is said of an instance, and so not of what is done beside it. */
const misplaced = ["revision", "state", "parked", "version", "fibers", "keep"] as const
/** How often a commit is judged anew where the instance has moved meanwhile. */
const judgedAgain = 2

export interface Committing {
  readonly lease: Lease
  /** None where the life names the instance and nothing is emitted. */
  readonly path: StreamPath | undefined
  /** Everything up to here is done with it. */
  readonly offset: number
  /** None: as it was. */
  readonly state: JsonText | undefined
  readonly emits: ReadonlyArray<Emit>
  readonly cursors: ReadonlyArray<FiberCursor>
  readonly parked: Parked | undefined
  /** Whether the instance stays where it is. */
  readonly aside: boolean
  /** Refused in another life of the stream. */
  readonly life: bigint | undefined
  /** Of the instance as the owner knows it; none: the owner does not say. */
  readonly revision: number | undefined
  /** None: the one that was claimed. */
  readonly version: number | undefined
  /** None: the owner has no fibers. */
  readonly fibers: JsonText | undefined
  readonly keep: boolean
}

export interface Committed {
  /** What was emitted, as it was recorded. */
  readonly lines: ReadonlyArray<JsonText>
  /** Whether nothing of it is new. */
  readonly known: boolean
}

export type CommitError = AppendError | Fenced | InvalidRequest

export interface Options {
  readonly checkpoints: Checkpoints["Service"]
  readonly store: EventStore["Service"]
  /** Bound of the crossings between streams in one chain of causes. */
  readonly maxHops: number
  /** The version that an owner claimed with. */
  readonly versionOf: (lease: Lease) => Effect.Effect<number, Fenced | Unavailable>
}

/** Records what an owner did. */
export const make = ({ checkpoints, maxHops, store, versionOf }: Options) => {
  const stamp = Stamping.make(store, maxHops)

  const send = (commit: Commit): Effect.Effect<Committed, AppendError | Fenced> =>
    Effect.map(store.commit(commit), (appended) => ({
      lines: appended.flatMap(({ lines }) => lines),
      known: appended.length > 0 && appended.every(({ known }) => known)
    }))

  const cursorsOf = ({ cursors }: Committing, life: bigint) =>
    cursors.length === 0 ? undefined : { life, values: cursors }

  /** As the owner says: it knows the instance. */
  const commitExactly = Effect.fnUntraced(function*(committing: Committing, life: bigint, revision: number) {
    const { fibers, keep, lease, offset, parked, state } = committing
    const version = committing.version ?? (yield* versionOf(lease))
    const appends = yield* stamp(committing, life)
    const checkpoint = { life, revision, version, offset, state, parked, keep, ...(yield* fibersOf(fibers)) }
    return yield* send({ lease, appends, checkpoint, cursors: cursorsOf(committing, life) })
  })

  /** Beside the instance, which stays where it is. */
  const commitAside = Effect.fnUntraced(function*(committing: Committing) {
    const { cursors, lease, life } = committing
    const strange = misplaced.find((field) => committing[field] !== undefined && committing[field] !== false)
    if (strange !== undefined) {
      return yield* new InvalidRequest({
        reason: `\`aside\` and \`${strange}\` do not go together: the instance stays`
      })
    }
    if (cursors.length > 0 && life === undefined) return yield* Stamping.missing("life")
    const appends = yield* stamp(committing, life)
    // Even where no cursor moves: what was begun in a life must not make the stream anew.
    return yield* send({ lease, appends, cursors: life === undefined ? undefined : { life, values: cursors } })
  })

  /** By what the instance has come to: what is done already is not recorded again. */
  const commitOnward = Effect.fnUntraced(function*(
    committing: Committing,
    path: StreamPath
  ): Effect.fn.Return<Committed, CommitError> {
    const { fibers, keep, lease, offset, parked } = committing
    const opened = yield* checkpoints.open(lease, path)
    const moved = new Fenced({ processor: lease.processor, lost: "instance" })
    if (Option.isNone(opened)) return yield* moved
    const instance = opened.value
    const { life, revision } = instance
    if (committing.life !== undefined && committing.life !== life) return yield* moved
    if (instance.parked !== undefined) {
      return parked?.offset === instance.parked.offset && offset <= instance.offset ? known : yield* moved
    }
    if (offset > instance.head) return yield* Stamping.nothingAt(path, offset)
    const version = committing.version ?? (yield* versionOf(lease))
    const isFolded = instance.state !== undefined && instance.version === version
    const isHeld = parked !== undefined && !instance.skipped.includes(parked.offset)
    if (offset < instance.offset || offset === instance.offset && isFolded && !isHeld) return known
    const late = committing.emits.find(({ cause = offset }) => cause > offset)?.cause
    if (late !== undefined) {
      return yield* new InvalidRequest({ reason: `\`cause\` ${late} is behind \`offset\` ${offset}` })
    }
    const emits = committing.emits.filter(({ cause = offset }) => isNew(instance, cause))
    const addedAfter = AddedTypes.hooksAfter(instance.addedTypes)
    const appends = yield* stamp({ ...committing, emits, isNew: (cause, type) => cause > addedAfter(type) }, life)
    const checkpoint: Checkpoint = {
      life,
      revision,
      version,
      offset,
      state: committing.state ?? (isFolded ? instance.state : "null"),
      parked,
      keep,
      ...(yield* fibersOf(fibers))
    }
    return yield* send({ lease, appends, checkpoint, cursors: cursorsOf(committing, life) })
  })

  return (committing: Committing): Effect.Effect<Committed, CommitError> => {
    const { aside, life, path, revision } = committing
    if (aside) return commitAside(committing)
    if (revision !== undefined) {
      return life === undefined ? Stamping.missing("life") : commitExactly(committing, life, revision)
    }
    if (path === undefined) return Stamping.missing("streamPath")
    return Effect.retry(commitOnward(committing, path), {
      times: judgedAgain,
      while: (error) => error._tag === "Fenced" && error.lost === "instance"
    })
  }
}

/** Of a commit that was made before. */
const known: Committed = { lines: [], known: true }

/** Whether an event is still to be answered. */
const isNew = ({ hooksAfter, offset, skipped }: Instance, cause: number): boolean =>
  cause > Math.max(hooksAfter, offset) && !skipped.includes(cause)

const fibersOf = (
  fibers: JsonText | undefined
): Effect.Effect<Pick<Checkpoint, "fibers" | "busy">, InvalidRequest> => {
  if (fibers === undefined) return Effect.succeed({ fibers: "[]", busy: false })
  return Effect.try({
    try: () => ({ fibers, busy: FiberRecords.isBusy(FiberRecords.decode(fibers)) }),
    catch: () => new InvalidRequest({ reason: "`fibers` are none of the typed runtime" })
  })
}

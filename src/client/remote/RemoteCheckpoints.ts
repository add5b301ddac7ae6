/** `Checkpoints` of a server, as far as a runtime elsewhere needs them: what people ask for is asked of the server. */
import { Effect, Option, Schema } from "effect"
import * as Claim from "../../domain/Claim.ts"
import type { JsonText } from "../../domain/EventText.ts"
import * as Json from "../../domain/JsonText.ts"
import { ProcessorSummary } from "../../domain/ProcessorState.ts"
import type { StreamError } from "../../domain/StreamError.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import { Checkpoints } from "../../log/Checkpoints.ts"
import type { Instance, Lease, Registration, Snapshot } from "../../log/Checkpoints.ts"
import * as FiberRecords from "../../processor/FiberRecords.ts"
import { asFenced, asUnavailable, Calling } from "./Calling.ts"

const answers = <S extends Schema.ConstraintCodec<unknown, unknown>>(schema: S) =>
  Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(schema)))
const decodeClaimed = answers(Schema.Struct({ epoch: Claim.Claimed.fields.epoch }))
const decodeMoved = answers(Claim.Moved)
const decodeUndone = answers(Claim.Undone)
const decodeOpened = answers(Claim.Opened)
const decodeUnprepared = answers(Claim.Unprepared)
const decodeSnapshot = answers(Claim.FoundSnapshot)
const decodeKept = answers(Claim.Kept)
const decodeRegistered = answers(Schema.Array(ProcessorSummary))

const never = Effect.die(new Error("Only the server itself answers this"))

export const make = (calling: Calling): Checkpoints["Service"] => {
  const registrations = new Map<string, Registration>()

  /** An answer that does not fit the contract is a server of another version: nothing here mends it. */
  const post = <A>(
    processor: string,
    verb: string,
    body: object,
    decode: (text: JsonText) => Effect.Effect<A, Schema.SchemaError>
  ): Effect.Effect<A, StreamError> =>
    Effect.flatMap(calling.post(processor, verb, JSON.stringify(body)), (text) => Effect.orDie(decode(text)))

  const epochOf = ({ epoch }: Lease) => ({ epoch: Number(epoch) })

  return Checkpoints.of({
    register: (registration) => {
      registrations.set(registration.processor, registration)
      const { processor, ...body } = registration
      return post(processor, "register", body, Effect.succeed).pipe(
        Effect.asVoid,
        refusedForEver,
        Effect.mapError(asUnavailable)
      )
    },
    claim: (processor, owner, millis) => {
      const registration = registrations.get(processor)
      if (registration === undefined) return Effect.die(new Error(`${processor} is claimed before it is registered`))
      const { processor: _, ...known } = registration
      // It is registered when it is its turn, and goes on: what was registered since stays.
      const body = { ...known, owner, takeOver: false, leaseMillis: millis, limit: 0 }
      return post(processor, "claim", body, decodeClaimed).pipe(
        Effect.map(({ epoch }) =>
          Option.map(Option.fromNullOr(epoch), (held): Lease => ({ processor, epoch: BigInt(held) }))
        ),
        Effect.mapError(asUnavailable)
      )
    },
    release: (lease) =>
      post(lease.processor, "release", epochOf(lease), Effect.succeed).pipe(
        Effect.asVoid,
        Effect.mapError(asUnavailable)
      ),
    advance: (lease) => post(lease.processor, "advance", epochOf(lease), decodeMoved).pipe(Effect.mapError(asFenced)),
    undone: (processor, after) =>
      calling.get(Calling.pathOf(processor, "undone"), { after: after === "" ? undefined : after }).pipe(
        Effect.flatMap((text) => Effect.orDie(decodeUndone(text))),
        Effect.map(({ paths }) => paths),
        Effect.mapError(asUnavailable)
      ),
    open: (lease, path) =>
      calling.post(lease.processor, "open", JSON.stringify({ ...epochOf(lease), streamPath: path })).pipe(
        Effect.flatMap((text) =>
          Effect.map(Effect.orDie(decodeOpened(text)), ({ instance }) => instanceOf(path, instance, text))
        ),
        Effect.mapError(asFenced)
      ),
    registered: calling.get("/api/processors", {}).pipe(
      Effect.flatMap((text) => Effect.orDie(decodeRegistered(text))),
      Effect.map((all) =>
        all.map(({ name, owner, ...registration }) => ({ ...registration, processor: name, owner: owner ?? undefined }))
      ),
      Effect.mapError(asUnavailable)
    ),
    // States stay on the server: nothing of what runs here is folded twice to compare it.
    instances: () => Effect.succeed([]),
    instancesOn: () => never,
    snapshot: (processor, version, life, offset) =>
      calling.get(Calling.pathOf(processor, "snapshot"), { version, life: String(life), offset }).pipe(
        Effect.flatMap((text) =>
          Effect.map(Effect.orDie(decodeSnapshot(text)), ({ snapshot }) => snapshotOf(snapshot, text))
        ),
        Effect.mapError(asUnavailable)
      ),
    prepare: (processor, version, left) =>
      post(processor, "prepare", { version, left }, Effect.succeed).pipe(
        Effect.asVoid,
        refusedForEver,
        Effect.mapError(asUnavailable)
      ),
    unprepared: (processor, version, after) =>
      calling.get(Calling.pathOf(processor, "unprepared"), { version, after: after === "" ? undefined : after }).pipe(
        Effect.flatMap((text) => Effect.orDie(decodeUnprepared(text))),
        Effect.map(({ after, instances }) => ({
          instances: instances.map(({ life, offset, skipped = [], streamPath: path }) =>
            ({ path, life: BigInt(life), offset, skipped })),
          after: after ?? undefined
        })),
        Effect.mapError(asUnavailable)
      ),
    keep: (processor, version, life, { fibers, offset, state }) => {
      const body = Json.object({
        version: String(version),
        life: JSON.stringify(String(life)),
        offset: String(offset),
        state,
        fibers
      })
      return calling.post(processor, "keep", body).pipe(
        Effect.flatMap((text) => Effect.map(Effect.orDie(decodeKept(text)), ({ kept }) => kept)),
        // It would be refused again: a state that is too large, or nests deeper than a request may.
        Effect.catchTags({ PayloadTooLarge: () => Effect.succeed(false), InvalidRequest: () => Effect.succeed(false) }),
        Effect.mapError(asUnavailable)
      )
    },
    change: () => never
  })
}

/** What is refused now is refused for ever: the program has to be changed. */
const refusedForEver = <A>(effect: Effect.Effect<A, StreamError>): Effect.Effect<A, StreamError> =>
  Effect.catchIf(
    effect,
    (error) => error._tag === "InvalidRequest" || error._tag === "Unauthorized" || error._tag === "Forbidden",
    Effect.die
  )

/** The state in an answer is the very text that was kept. */
const snapshotOf = (
  snapshot: typeof Claim.FoundSnapshot.Type.snapshot,
  text: JsonText
): Option.Option<Snapshot> => {
  const [source = "{}"] = Json.members(text, ["snapshot"])
  const [state = "null", fibers = "[]"] = Json.members(source, ["state", "fibers"])
  return snapshot === null ? Option.none() : Option.some({ offset: snapshot.offset, state, fibers })
}

/** The instance in an answer; its state and its fibers are the very text that was committed. */
const instanceOf = (
  path: StreamPath,
  instance: Claim.OpenedInstance | null,
  text: JsonText
): Option.Option<Instance> => {
  if (instance === null) return Option.none()
  const [source = "{}"] = Json.members(text, ["instance"])
  const [state, fibers = "[]", cursors = "[]"] = Json.members(source, ["state", "fibers", "cursors"])
  const values = Json.elements(cursors).map((cursor) => Json.members(cursor, ["value"])[0] ?? "null")
  return Option.some({
    path,
    life: BigInt(instance.life),
    revision: instance.revision,
    version: instance.version,
    offset: instance.offset,
    head: instance.head,
    hooksAfter: instance.hooksAfter,
    addedTypes: instance.addedTypes ?? [],
    skipped: instance.skipped ?? [],
    state,
    fibers,
    busy: FiberRecords.isBusy(FiberRecords.decode(fibers)),
    parked: instance.parked,
    cursors: (instance.cursors ?? []).map(({ key, kind }, i) => ({ kind, key, value: values[i] ?? "null" }))
  })
}

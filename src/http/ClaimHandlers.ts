/**
 * `/api/processors/{name}/claim` and what follows it, for processors that run elsewhere, and pages of streams for their
 * runtimes.
 */
import { Effect, Layer, Option } from "effect"
import type { Result } from "effect"
import { HttpRouter } from "effect/http"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { PageQuery, SnapshotQuery, UndoneQuery, UnpreparedQuery } from "../api/ClaimsApi.ts"
import { ProcessorsQuery } from "../api/ProcessorsApi.ts"
import type { ClaimRequest, RegisterRequest } from "../domain/Claim.ts"
import * as Claim from "../domain/Claim.ts"
import type { JsonText } from "../domain/EventText.ts"
import * as Json from "../domain/JsonText.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { StreamError } from "../domain/StreamError.ts"
import type { Lease, Registration } from "../log/Checkpoints.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { unwritten } from "../log/CoreState.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import type { Claiming } from "../processor/Claims.ts"
import { Claims } from "../processor/Claims.ts"
import * as ClaimText from "../processor/ClaimText.ts"
import { ServiceConfig } from "../ServiceConfig.ts"
import * as Arriving from "./Arriving.ts"
import * as CommitBody from "./CommitBody.ts"
import * as NodeRequest from "./NodeRequest.ts"
import * as ProcessorUrl from "./ProcessorUrl.ts"
import * as Query from "./Query.ts"
import * as Reply from "./Reply.ts"
import * as StreamUrl from "./StreamUrl.ts"

const { prefix } = ProcessorUrl
const pagePrefix = "/api/page"

const registration = (processor: string, request: RegisterRequest): Registration => ({
  processor,
  version: request.version ?? 1,
  consumes: [...new Set(request.consumes)],
  emits: [...new Set(request.emits)],
  streams: request.streams ?? "/**",
  startFrom: request.startFrom ?? "end"
})

const claiming = (processor: string, request: ClaimRequest): Claiming => ({
  registration: registration(processor, request),
  owner: request.owner,
  takeOver: request.takeOver,
  millis: request.leaseMillis,
  after: request.after,
  limit: request.limit ?? Claim.maxClaimed,
  waitMillis: request.waitMillis ?? 0
})

export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const checkpoints = yield* Checkpoints
  const claims = yield* Claims
  const directory = yield* Directory
  const store = yield* EventStore
  const decodeQuery = Query.decoder(ProcessorsQuery)
  const decodeUndone = Query.decoder(UndoneQuery)
  const decodePage = Query.decoder(PageQuery)
  const decodeUnprepared = Query.decoder(UnpreparedQuery)
  const decodeSnapshot = Query.decoder(SnapshotQuery)
  const decodeRegister = CommitBody.decoder(Claim.RegisterRequest)
  const decodeClaim = CommitBody.decoder(Claim.ClaimRequest)
  const decodeCommit = CommitBody.decoder(Claim.CommitRequest)
  const decodeEpoch = CommitBody.decoder(Claim.EpochRequest)
  const decodeOpen = CommitBody.decoder(Claim.OpenRequest)
  const decodePrepare = CommitBody.decoder(Claim.PrepareRequest)
  const decodeKeep = CommitBody.decoder(Claim.KeepRequest)

  /** Answers what an owner sends to one of its processor's routes. */
  const take = <A>(
    verb: string,
    decode: (incoming: Parameters<typeof Arriving.body>[0], body: Uint8Array) => Result.Result<A, StreamError>,
    answer: (processor: string, sent: A) => Effect.Effect<JsonText, StreamError>
  ) => {
    const respond = Effect.fnUntraced(function*(request: HttpServerRequest) {
      yield* Effect.fromResult(decodeQuery(request.url))
      const processor = yield* Effect.fromResult(ProcessorUrl.nameIn(request.url))
      const incoming = NodeRequest.incomingOf(request)
      const sent = yield* Effect.fromResult(decode(incoming, yield* Arriving.body(incoming)))
      return yield* answer(processor, sent)
    })
    // What has begun goes on when its client leaves, as an append does; only a claim that waits ends.
    return router.add("POST", `${prefix}/:name/${verb}`, (request) => Reply.answer(request, respond(request)), {
      uninterruptible: true
    })
  }
  const leaseOf = (processor: string, epoch: number): Lease => ({ processor, epoch: BigInt(epoch) })

  yield* take("register", decodeRegister, (processor, { request }) =>
    Effect.as(claims.register(registration(processor, request)), "{}"))
  yield* take("claim", decodeClaim, (processor, { request }) => {
    const asked = claiming(processor, request)
    return Effect.map(claims.claim(asked), (claim) => ClaimText.claimed(claim, asked.registration.version))
  })
  yield* take("commit", decodeCommit, (processor, sent) =>
    Effect.flatMap(Effect.fromResult(CommitBody.commit(processor, sent)), (committing) =>
      Effect.map(claims.commit(committing), (committed) =>
        ClaimText.committed(committing.path, committing.offset, committed))))
  yield* take("release", decodeEpoch, (processor, { request }) =>
    Effect.as(checkpoints.release(leaseOf(processor, request.epoch)), "{}"))
  yield* take("advance", decodeEpoch, (processor, { request }) =>
    Effect.map(checkpoints.advance(leaseOf(processor, request.epoch)), (moved) => JSON.stringify(moved)))
  yield* take("open", decodeOpen, (processor, { request }) => {
    const lease = leaseOf(processor, request.epoch)
    return Effect.map(
      checkpoints.open(lease, request.streamPath),
      (opened) => `{"instance":${Option.isNone(opened) ? "null" : ClaimText.instance(lease, opened.value)}}`
    )
  })

  yield* take("prepare", decodePrepare, (processor, { request: { left, version } }) =>
    Effect.as(claims.prepare(processor, version, left), "{}"))
  yield* take("keep", decodeKeep, (processor, { request: { life, offset, version }, source }) => {
    const [state = "null", fibers = "[]"] = Json.members(source, ["state", "fibers"])
    return Effect.map(
      claims.keep(processor, version, BigInt(life), { offset, state, fibers }),
      (kept) => JSON.stringify({ kept })
    )
  })

  const unprepared = Effect.fnUntraced(function*(url: string) {
    const { after = "", version } = yield* Effect.fromResult(decodeUnprepared(url))
    const processor = yield* Effect.fromResult(ProcessorUrl.nameIn(url))
    return ClaimText.unprepared(yield* checkpoints.unprepared(processor, version, after))
  })
  yield* router.add("GET", `${prefix}/:name/unprepared`, (request) => Reply.answer(request, unprepared(request.url)))

  const snapshot = Effect.fnUntraced(function*(url: string) {
    const { life, offset, version } = yield* Effect.fromResult(decodeSnapshot(url))
    const processor = yield* Effect.fromResult(ProcessorUrl.nameIn(url))
    return ClaimText.snapshot(yield* checkpoints.snapshot(processor, version, BigInt(life), offset))
  })
  yield* router.add("GET", `${prefix}/:name/snapshot`, (request) => Reply.answer(request, snapshot(request.url)))

  const undone = Effect.fnUntraced(function*(url: string) {
    const { after = "" } = yield* Effect.fromResult(decodeUndone(url))
    const processor = yield* Effect.fromResult(ProcessorUrl.nameIn(url))
    return JSON.stringify({ paths: yield* checkpoints.undone(processor, after) })
  })
  yield* router.add("GET", `${prefix}/:name/undone`, (request) => Reply.answer(request, undone(request.url)))

  const page = Effect.fnUntraced(function*(url: string) {
    const { path, within } = yield* Effect.fromResult(StreamUrl.parse(url, pagePrefix))
    if (within) return yield* new InvalidRequest({ reason: "A page is of one stream: leave out /**" })
    const { after = 0, before, limit, types } = yield* Effect.fromResult(decodePage(url))
    const head = Option.getOrElse(yield* directory.describe(path), () => unwritten)
    const read = limit === 0
      ? { lines: [], last: after, head: head.offset, life: head.exists ? head.id : undefined }
      : yield* store.read(path, { after, before, limit, types })
    return ClaimText.page(read, head.core)
  })
  yield* router.add("GET", `${pagePrefix}/*`, (request) => Reply.answer(request, page(request.url)))
})).pipe(
  Layer.provide(Layer.unwrap(Effect.map(ServiceConfig, ({ leaseSeconds, maxHops }) =>
    Claims.layer({ maxHops, leaseMillis: leaseSeconds * 1_000 })))
  )
)

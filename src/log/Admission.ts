/**
 * Decides whether a stream takes events, and what the log then records: pure, over the heads of the
 * streams concerned. Idempotency comes before this, since only the log knows its keys.
 */
import { DateTime, Result, Schema } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import type { Cause } from "../domain/Event.ts"
import { Offset } from "../domain/Event.ts"
import type { Proposed, Recorded } from "../domain/EventText.ts"
import { encode } from "../domain/EventText.ts"
import * as JsonText from "../domain/JsonText.ts"
import { OffsetMismatch, StreamPaused } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import * as TokenBucket from "../domain/TokenBucket.ts"
import { Verification, VerificationConfigured } from "../domain/Verification.ts"
import type { Proof } from "./Arrivals.ts"
import { Unverified } from "./Arrivals.ts"
import type { Head } from "./CoreState.ts"
import { CoreState, initial, limitOf } from "./CoreState.ts"

/** What an admission reads: the heads as they are after all that was admitted before it. */
export interface Heads {
  readonly get: (path: StreamPath) => Head
}

/** What is written: the events of all streams in the order of their positions, and the heads after them. */
export interface Written {
  readonly events: ReadonlyArray<Recorded>
  readonly heads: ReadonlyMap<StreamPath, Head>
}

export interface Admitted extends Written {
  /** What the request itself asked for, in its order, without what the server adds. */
  readonly requested: ReadonlyArray<Recorded>
}

export interface Request {
  readonly path: StreamPath
  readonly events: ReadonlyArray<Proposed>
  readonly cause?: Cause | undefined
  /** Whether the server itself says it: then it is not counted, and a paused stream takes it. */
  readonly byServer?: boolean | undefined
}

/** How the log judges: its time in milliseconds since 1970, and the breaker of streams that configure none. */
export interface Terms {
  readonly now: number
  readonly breaker: TokenBucket.Limit | "off"
}

/**
 * Why a stream does not take what arrives with such a proof, or `undefined`. Asked before all else, idempotency too:
 * nobody who is not verified hears what is recorded.
 */
export const judgeArrival = ({ core: { verification } }: Head, { required, verified }: Proof): Unverified | undefined =>
  verification === undefined
    ? required ? new Unverified({ asked: undefined }) : undefined
    : verified !== undefined && sameVerification(verification, verified)
    ? undefined
    : new Unverified({ asked: verification })

/** Admits a request whole, or says why not. */
export const admit = (
  heads: Heads,
  request: Request,
  terms: Terms
): Result.Result<Admitted, OffsetMismatch | StreamPaused> => {
  const draft = new Draft(heads, terms)
  return Result.map(draft.take(request), (requested) => ({ requested, ...draft.written() }))
}

/** What deleting a stream records: its head goes on, its state does not, and its parent hears of it. */
export const remove = (heads: Heads, path: StreamPath, terms: Terms): Admitted => {
  const draft = new Draft(heads, terms)
  const above = Path.parent(path)
  if (above !== undefined && draft.head(above).exists) {
    draft.record(above, Control.ChildDeleted.make({ path }))
  }
  const head = draft.head(path)
  draft.heads.set(path, { ...head, exists: false, core: initial, updatedAt: Math.max(terms.now, head.updatedAt) })
  return { requested: [], events: draft.events, heads: draft.heads }
}

/** Collects what requests do to the heads; what they have for one stream is counted together. */
export class Draft {
  readonly events: Array<Recorded> = []
  readonly heads = new Map<StreamPath, Head>()
  /** How many events clients sent to each stream, behind its last resumption. */
  private readonly sent = new Map<StreamPath, number>()
  readonly before: Heads
  readonly terms: Terms

  constructor(before: Heads, terms: Terms) {
    this.before = before
    this.terms = terms
  }

  head(path: StreamPath): Head {
    return this.heads.get(path) ?? this.before.get(path)
  }

  /** Records what a request asks for, up to the first event that its stream does not take. */
  take(
    { byServer = false, cause, events, path }: Request
  ): Result.Result<ReadonlyArray<Recorded>, OffsetMismatch | StreamPaused> {
    this.open(path)
    const recorded: Array<Recorded> = []
    let sent = this.sent.get(path) ?? 0
    for (const proposed of events) {
      const head = this.head(path)
      if (proposed.offset !== undefined && proposed.offset !== head.offset + 1) {
        return Result.fail(
          new OffsetMismatch({ expected: Offset.make(proposed.offset), actual: Offset.make(head.offset + 1) })
        )
      }
      const { paused } = head.core
      if (paused !== null && proposed.type !== Control.Resumed.type && !byServer) {
        return Result.fail(
          new StreamPaused({ streamPath: path, reason: paused.reason, pausedAt: DateTime.makeUnsafe(paused.pausedAt) })
        )
      }
      recorded.push(this.append(path, proposed, cause))
      // A resumption that ends a pause refills the bucket, so the count begins anew behind it.
      sent = paused !== null && proposed.type === Control.Resumed.type ? 0 : byServer ? sent : sent + 1
    }
    this.sent.set(path, sent)
    return Result.succeed(recorded)
  }

  /** All of it, with the pauses that it leads to. */
  written(): Written {
    for (const [path, sent] of this.sent) if (sent > 0) this.count(path, sent)
    return { events: this.events, heads: this.heads }
  }

  /** Makes the stream and its missing ancestors, from above, each told to its parent. */
  open(path: StreamPath): void {
    if (this.head(path).exists) return
    const above = Path.parent(path)
    if (above !== undefined) this.open(above)
    const head = this.head(path)
    const now = Math.max(this.terms.now, head.updatedAt)
    this.heads.set(path, { ...head, exists: true, core: initial, createdAt: now })
    this.record(path, Control.Initialized.make({ path }))
    if (above !== undefined) this.record(above, Control.ChildCreated.make({ path }))
  }

  /** Records an event of the server's own: not counted, never refused. */
  record(path: StreamPath, event: { readonly type: string; readonly payload: Schema.Json }): Recorded {
    return this.append(path, { type: event.type, payload: JSON.stringify(event.payload) }, undefined)
  }

  append(path: StreamPath, proposed: Proposed, cause: Cause | undefined): Recorded {
    const head = this.head(path)
    const createdAt = Math.max(this.terms.now, head.updatedAt)
    const event = {
      type: proposed.type,
      payload: proposed.payload,
      metadata: proposed.metadata,
      idempotencyKey: proposed.idempotencyKey,
      offset: head.offset + 1,
      streamPath: path,
      createdAt,
      cause
    }
    const recorded: Recorded = { ...event, line: encode(event) }
    this.events.push(recorded)
    this.heads.set(path, {
      ...head,
      offset: recorded.offset,
      updatedAt: createdAt,
      core: Control.isReserved(recorded.type) ? fold(head.core, recorded) : head.core
    })
    return recorded
  }

  /** Counts what a client sent; the stream is paused behind it where that was too much. */
  count(path: StreamPath, events: number): void {
    const head = this.head(path)
    const limit = limitOf(head.core, this.terms.breaker)
    if (limit === "off") return
    const bucket = head.core.bucket ?? TokenBucket.full(limit, head.updatedAt)
    const taken = TokenBucket.take(bucket, limit, head.updatedAt, events)
    this.heads.set(path, { ...head, core: { ...head.core, bucket: taken } })
    if (taken.tokens < 0 && head.core.paused === null) {
      const reason = `more than ${limit.capacity} events at once, or ${limit.refillPerSecond} a second for long`
      this.record(path, Control.Paused.make({ reason, by: "circuit-breaker" }))
    }
  }
}

const decodeReason = Schema.decodeUnknownSync(Schema.fromJsonString(Control.Paused.payload))
const decodeBreaker = Schema.decodeUnknownSync(Schema.fromJsonString(Control.CircuitBreakerConfigured.payload))

const decodeVerification = Schema.decodeUnknownSync(Schema.fromJsonString(VerificationConfigured.payload))

const sameBreaker = Schema.toEquivalence(CoreState.fields.breaker)
const sameVerification = Schema.toEquivalence(Verification)

/** Folds a control event; the others leave the core state as it is. */
const fold = (core: CoreState, event: Recorded): CoreState => {
  switch (event.type) {
    case Control.Paused.type: {
      const { by, reason } = decodeReason(event.payload)
      return {
        ...core,
        paused: { reason: reason ?? "no reason given", pausedAt: event.createdAt, ...(by === undefined ? {} : { by }) }
      }
    }
    case Control.Resumed.type:
      return core.paused === null ? core : { ...core, paused: null, bucket: null }
    case Control.MetadataUpdated.type:
      return { ...core, metadata: JsonText.members(event.payload, ["metadata"])[0] ?? "{}" }
    case Control.CircuitBreakerConfigured.type: {
      const configured = decodeBreaker(event.payload)
      const breaker = "capacity" in configured
        ? { capacity: configured.capacity, refillPerSecond: configured.refillPerSecond }
        : "off"
      // Said again it changes nothing: it must not refill the bucket.
      return sameBreaker(core.breaker, breaker) ? core : { ...core, breaker, bucket: null }
    }
    case VerificationConfigured.type: {
      const configured = decodeVerification(event.payload)
      if ("provider" in configured) {
        return { ...core, verification: { provider: configured.provider, secret: configured.secret } }
      }
      const { verification: _, ...unasked } = core
      return unasked
    }
    default:
      return core
  }
}

/**
 * What arrives on a stream and is no event. It is recorded as events are, but a stream that asks for a provider's
 * signature takes it only with the proof that it verified: so configuring that never races with what arrives, whichever
 * server takes it.
 */
import { Context, Data } from "effect"
import type { Effect } from "effect"
import type { AppendError } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Verification } from "../domain/Verification.ts"
import type { Appended, Requested } from "./EventStore.ts"

/** What is known of who sent it. */
export interface Proof {
  /** What the sender has passed; none where nothing was asked for yet. */
  readonly verified: Verification | undefined
  /** Whether only that admits the sender, who has shown no token: a stream that asks for nothing takes nothing then. */
  readonly required: boolean
}

export interface Arrived extends Requested {
  readonly arrival: Proof
}

/** The stream asks for another verification than the one that was passed, or for none where one is required. */
export class Unverified extends Data.TaggedError("Unverified")<{ readonly asked: Verification | undefined }> {}

export class Arrivals extends Context.Service<Arrivals, {
  /** Records what arrived, once it is durable. Also what is known is told only to who has passed what is asked. */
  readonly record: (arrived: Arrived) => Effect.Effect<Appended, AppendError | Unverified>
  /**
   * What a stream asks for as far as is in memory, at once: a hint, which `record` holds to what is so. None where the
   * stream asks for nothing or is not in memory.
   */
  readonly hint: (path: StreamPath) => Verification | undefined
}>()("millstream/log/Arrivals") {}

/** What a stream has come to, from its head, in the wire form of `StreamState`. */
import type { JsonText } from "../domain/EventText.ts"
import { isoTime } from "../domain/EventText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import type { Head } from "./CoreState.ts"
import { limitOf } from "./CoreState.ts"

/** `breaker` is that of streams that configure none. Metadata keeps the spelling it was sent with. */
export const encode = (path: StreamPath, head: Head, breaker: Limit | "off"): JsonText => {
  const { core } = head
  const limit = limitOf(core, breaker)
  const circuitBreaker = limit === "off" ? { enabled: false } : { enabled: true, ...limit }
  const paused = core.paused === null ? null : { ...core.paused, pausedAt: isoTime(core.paused.pausedAt) }
  // A deleted stream was last changed by its deletion.
  const deleted = head.exists ? "" : `,"deletedAt":"${isoTime(head.updatedAt)}"`
  const verification = core.verification === undefined ? "" : `,"verification":${JSON.stringify(core.verification)}`
  return `{"path":"${path}","head":${head.offset},"createdAt":"${isoTime(head.createdAt)}",` +
    `"updatedAt":"${isoTime(head.updatedAt)}"${deleted},"metadata":${core.metadata},` +
    `"paused":${JSON.stringify(paused)},"circuitBreaker":${JSON.stringify(circuitBreaker)}${verification}}`
}

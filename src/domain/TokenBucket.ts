/**
 * The circuit breaker's count, as arithmetic over the times of events: a refold counts the same, and so does
 * every server that takes appends for the stream.
 */
import { Schema } from "effect"

/** How many events a stream takes: a burst of `capacity`, and `refillPerSecond` for long. */
export const Limit = Schema.Struct({ capacity: Schema.Finite, refillPerSecond: Schema.Finite })
export type Limit = typeof Limit.Type

/** What is left, and when that was, in milliseconds since 1970. */
export const TokenBucket = Schema.Struct({ tokens: Schema.Finite, at: Schema.Finite })
export type TokenBucket = typeof TokenBucket.Type

/** A full one. */
export const full = (limit: Limit, at: number): TokenBucket => ({ tokens: limit.capacity, at })

/** Takes one token per event; below zero the breaker has tripped. */
export const take = (bucket: TokenBucket, limit: Limit, at: number, events: number): TokenBucket => ({
  tokens: Math.min(limit.capacity, bucket.tokens + Math.max(0, at - bucket.at) / 1_000 * limit.refillPerSecond) - events,
  at: Math.max(at, bucket.at)
})

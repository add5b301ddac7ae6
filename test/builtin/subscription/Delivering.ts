/** Subscriptions on a log in memory, with receivers that do as the test says. */
import { assert } from "@effect/vitest"
import { Clock, Effect, Layer, Queue, Stream } from "effect"
import type { Schema } from "effect"
import type { EventInput } from "../../../src/domain/Event.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import type { Evaluated } from "../../../src/builtin/Jsonata.ts"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import { Secrets } from "../../../src/builtin/Secrets.ts"
import * as SubscriptionHooks from "../../../src/builtin/subscription/SubscriptionHooks.ts"
import { Egress } from "../../../src/egress/Egress.ts"
import type { EgressFailed, EgressRefused, Request, Response } from "../../../src/egress/Egress.ts"
import * as Workshop from "../../processor/Workshop.ts"

/** A request as a receiver sees it. */
export interface Pushed {
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly text: string
  /** When it was sent, in milliseconds. */
  readonly at: number
}

/** What a receiver does about a request; the first is 0. */
export type Receiver = (
  pushed: Pushed,
  index: number
) => Effect.Effect<Response | number, EgressFailed | EgressRefused>

/** An answer with a body. */
export const answer = (status: number, body: unknown = {}, headers: Record<string, string> = {}): Response => ({
  status,
  headers,
  body: new TextEncoder().encode(JSON.stringify(body))
})

/** Receivers of all URLs, and what they have received, which a test waits for. */
export const receivers = (receive: Receiver = () => Effect.succeed(200)) => {
  const pushed = Effect.runSync(Queue.unbounded<Pushed>())
  let index = 0
  const send = ({ body, headers, url }: Request) =>
    Effect.gen(function*() {
      const text = typeof body === "string" ? body : new TextDecoder().decode(body)
      const each = { url, headers, text, at: yield* Clock.currentTimeMillis }
      yield* Queue.offer(pushed, each)
      const answered = yield* receive(each, index++)
      return typeof answered === "number" ? answer(answered) : answered
    })
  const judge = (url: string) => url.includes("//private.test") ? "private.test is not allowed" : undefined
  return { pushed, layer: Layer.succeed(Egress, { send, judge }) }
}

/** Subscriptions with these receivers; a host is to be provided. */
export const subscriptions = (
  egress: Layer.Layer<Egress>,
  secrets: { readonly [name: string]: string } = {},
  jsonata: Layer.Layer<Jsonata> = Jsonata.layer
) =>
  SubscriptionHooks.layer.pipe(
    Layer.provide(egress),
    Layer.provide(jsonata),
    Layer.provide(Secrets.layerOf(secrets))
  )

/** The lease outlives a test: over days its renewals would be most of what happens. */
const options = { breaker: "off", leaseMillis: 30 * 86_400_000 } as const

/** Subscriptions at work with receivers that do as they are told, and take everything by default. */
export const working = (receive?: Receiver, jsonata?: Layer.Layer<Jsonata>) => {
  const { layer, pushed } = receivers(receive)
  const processors = subscriptions(layer, {}, jsonata)
  return {
    pushed,
    /** Waits for so many requests, or for what they hold. */
    take: (count: number) => Queue.takeN(pushed, count),
    offsets: (count: number) => Effect.map(Queue.takeN(pushed, count), (all) => all.map(offsetsOf)),
    /** On a log of its own, or on the one in scope. */
    on: Workshop.work(processors, options),
    during: Workshop.during(processors, options)
  }
}

/** Expressions that are rules of the test's own: of an event, and of the time, which passes as the test says. */
export const expressions = (
  rules: { readonly [expression: string]: (event: { readonly offset: number }, now: number) => Evaluated }
) =>
  Layer.succeed(Jsonata, {
    evaluate: (expression, inputs) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        inputs.map((input) =>
          rules[expression]?.(JSON.parse(input), now) ?? assert.fail(`No rule is named ${expression}`)))
  })

export const value = (value: Schema.Json | undefined): Evaluated => ({ _tag: "Value", value })
export const failure = (message: string): Evaluated => ({ _tag: "Failed", message })

/** A value as JSON has it. */
export const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

export const resumed = (more: object = {}): EventInput => ({
  type: "subscription/resumed",
  payload: plain({ slug: "a", ...more })
})

/** Offsets of what a request holds. */
export const offsetsOf = ({ text }: Pushed): ReadonlyArray<number> => {
  const body = JSON.parse(text)
  return "events" in body ? body.events.map((event: { offset: number }) => event.offset) : [body.offset]
}

export const configure = (slug: string, more: { readonly [name: string]: unknown } = {}): EventInput => ({
  type: "subscription/configured",
  payload: plain({ slug, url: "https://receiver.test/hook", ...more })
})

/** That a push is passed over which is not taken. */
// oxlint-disable-next-line unicorn/no-thenable -- the wire's word; nobody awaits a payload
export const skipping = <A extends object>(more: A) => ({ ...more, then: "skip" as const })

export const ping = (n: number): EventInput => ({ type: "ping", payload: { n } })

export const pings = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => ping(from + i))

/** The events of some types that a stream holds. */
export const told = (path: string, ...types: ReadonlyArray<string>) =>
  Effect.map(Workshop.read(path), (events) => events.filter(({ type }) => types.includes(type)))

/** Waits until a stream holds so many events of a type, and returns them. */
export const arrived = (path: string, type: string, count = 1) =>
  Effect.flatMap(Streams, (streams) =>
    streams.tail(path).pipe(Stream.filter((event) => event.type === type), Stream.take(count), Stream.runCollect))

/** The stored cursor of a subscription. */
export const cursorOf = (path: string, slug: string) =>
  Effect.map(Workshop.written("subscription", path), (instance) => {
    const value = instance?.cursors.find(({ key }) => key === slug)?.value
    return value === undefined ? undefined : JSON.parse(value)
  })

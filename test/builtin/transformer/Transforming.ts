/** Transformers at work on a log in memory, as the tests of this folder say it often. Expressions run for real. */
import { Effect, Layer, Stream } from "effect"
import type { Duration } from "effect"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import * as TransformerHooks from "../../../src/builtin/transformer/TransformerHooks.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import { TransformerConfigured, TransformerRemoved } from "../../../src/domain/Transformer.ts"
import type { Options } from "../../../src/testing/TestHost.ts"
import * as Workshop from "../../processor/Workshop.ts"

/** The layer over the expressions in scope. */
const transformers = Effect.map(Jsonata, (jsonata) =>
  Layer.provide(TransformerHooks.layer, Layer.succeed(Jsonata, jsonata)))

/**
 * In the place of expressions: the name of a type matches its events, an object stands for itself, and what begins with
 * a dollar sign fails. Each evaluation takes so long by the test's clock.
 */
export const scripted = (time: Duration.Input) =>
  Layer.succeed(Jsonata, {
    evaluate: (expression, inputs) =>
      Effect.delay(
        Effect.sync(() =>
          inputs.map((line) =>
            expression.startsWith("$")
              ? { _tag: "Failed" as const, message: expression }
              : {
                _tag: "Value" as const,
                value: expression.startsWith("{") ? JSON.parse(expression) : line.includes(`"type":"${expression}"`)
              }
          )
        ),
        time
      )
  })

/** On a log of its own. */
export const work = (options?: Options) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(transformers, (layer) => Workshop.work(layer, options)(effect))

/** On the log in scope; they stop where the effect ends. */
export const during = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(transformers, (layer) => Workshop.during(layer)(effect))

export const configure = (slug: string, matcher: string, transform: string, target?: string) =>
  TransformerConfigured.make({
    slug,
    matcher,
    transform,
    ...(target === undefined ? {} : { streamPath: StreamPath.make(target) })
  })

export const remove = (slug: string) => TransformerRemoved.make({ slug })

/** An event with a number. */
export const tick = (n: number, type = "tick") => ({ type, payload: { n } })

export const ticks = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => tick(from + i))

/** Waits for so many events of a type, and returns them. */
export const arrived = (path: string, type: string, count: number) =>
  Effect.flatMap(Streams, (streams) =>
    streams.tail(path).pipe(Stream.filter((event) => event.type === type), Stream.take(count), Stream.runCollect))

/** What their payloads carry as `n`. */
export const numbersOf = (events: ReadonlyArray<{ readonly payload: unknown }>) =>
  events.map(({ payload }) => typeof payload === "object" && payload !== null && "n" in payload ? payload.n : undefined)

/** All numbers that a stream holds under a type. */
export const numbers = (path: string, type: string) =>
  Effect.map(Workshop.payloads(path, type), (payloads) => numbersOf(payloads.map((payload) => ({ payload }))))

/**
 * Processors out of a file: every exported Layer of it runs on the service, and with `--watch` anew each time the
 * file is saved. What the file itself imports is loaded once: a change there needs a restart.
 */
import { Effect, Exit, FileSystem, Layer, Scope, Stream } from "effect"
import type { Context } from "effect"
import { dirname, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { Streams } from "../domain/Streams.ts"
import type { Processors } from "../processor/Processors.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"

/** What the service gives to a file's layers. */
export type Given = Processors | Streams

type Hosted = Layer.Layer<unknown, unknown, Given>

// What a file asks for is known only when it runs: a Layer that needs more fails then, and names it.
const isHosted = (value: unknown): value is Hosted => Layer.isLayer(value)

/** How long after a save the file is read: editors write in several steps. */
const settleTime = "100 millis"

/** Runs the layers of a file over the service in `context`, until it is interrupted. */
export const run = Effect.fnUntraced(function*(file: string, watch: boolean, context: Context.Context<Given>) {
  const path = resolve(file)
  const first = yield* start(path, 0, context)
  if (!watch) return yield* Effect.never
  const files = yield* FileSystem.FileSystem
  let running = first
  let version = 0
  yield* files.watch(dirname(path)).pipe(
    Stream.filter((event) => resolve(dirname(path), event.path) === path),
    Stream.debounce(settleTime),
    Stream.runForEach(() =>
      Effect.gen(function*() {
        version += 1
        // Read before the running ones are stopped: a file that does not load changes nothing.
        const layers = yield* Effect.result(load(path, version))
        if (layers._tag === "Failure") return yield* Output.note(`${layers.failure.message}\n`)
        yield* Scope.close(running, Exit.void)
        const next = yield* Effect.result(build(path, layers.success, context))
        if (next._tag === "Failure") return yield* Output.note(`${next.failure.message}\n`)
        running = next.success
      })
    ),
    Effect.mapError((error) => Failure.failed(`${file} can not be watched: ${error.message}`))
  )
  return yield* Effect.never
})

const start = (path: string, version: number, context: Context.Context<Given>) =>
  Effect.flatMap(load(path, version), (layers) => build(path, layers, context))

/** The exported layers. Each version of the file is a module of its own. */
const load = Effect.fnUntraced(function*(path: string, version: number) {
  const exported: unknown = yield* Effect.tryPromise({
    try: () => import(`${pathToFileURL(path).href}?version=${version}`),
    catch: (error) => Failure.failed(`${path} can not be loaded: ${String(error)}`)
  })
  const layers = typeof exported === "object" && exported !== null ? Object.values(exported).filter(isHosted) : []
  return layers.length > 0 ? layers : yield* Failure.failed(
    `${path} exports no Layer. Export one, such as \`export const layer = MyProcessor.toLayer({ … })\``
  )
})

/** The layers at work, in a scope that ends them. */
const build = Effect.fnUntraced(function*(path: string, layers: ReadonlyArray<Hosted>, context: Context.Context<Given>) {
  const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
  yield* Effect.forEach(layers, (layer) => Layer.buildWithScope(layer, scope), { discard: true }).pipe(
    Effect.provide(context),
    Effect.catchCause((cause) =>
      Effect.andThen(Scope.close(scope, Exit.void), Effect.fail(Failure.failed(`${path} can not run: ${String(cause)}`)))
    )
  )
  yield* Output.note(`${path}: ${layers.length} ${layers.length === 1 ? "layer" : "layers"} at work\n`)
  return scope
})

/**
 * Processors out of a file: every exported Layer of it runs on the service, and with `--watch` anew each time the
 * file is saved. What the file itself imports is loaded once: a change there needs a restart.
 */
import { Cause, Context, Effect, Exit, FileSystem, Layer, Scope, Stream } from "effect"
import { dirname, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { Streams } from "../domain/Streams.ts"
import { Processors } from "../processor/Processors.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"

/** What the service gives to a file's layers. */
export type Given = Processors | Streams

type Hosted = Layer.Layer<unknown, unknown, Given>

// What a file asks for is known only when it runs: a Layer that needs more fails then, and names it.
const isHosted = (value: unknown): value is Hosted => Layer.isLayer(value)

/** How long after a save the file is read: editors write in several steps. */
const settleTime = "100 millis"

/** The layers of a file at work. */
export const layer = (file: string, watch: boolean) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const context = yield* Effect.context<Given>()
    const path = resolve(file)
    const first = yield* build(path, yield* load(path, 0), context)
    if (watch) yield* Effect.forkScoped(follow(path, first, context))
  }))

/** Runs the layers anew each time the file is saved. */
const follow = Effect.fnUntraced(function*(path: string, first: Scope.Closeable, context: Context.Context<Given>) {
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
        if (next._tag === "Failure") {
          return yield* Output.note(`${next.failure.message}. Nothing of it runs until it is saved again\n`)
        }
        running = next.success
      })
    ),
    Effect.catch((error) =>
      Output.note(`${path} can not be watched any more: ${error.message}. Restart the service to load it anew\n`)
    )
  )
})

/** The exported layers, by name. Each version of the file is a module of its own. */
const load = Effect.fnUntraced(function*(path: string, version: number) {
  const exported: unknown = yield* Effect.tryPromise({
    try: () => import(`${pathToFileURL(path).href}?version=${version}`),
    catch: (error) => Failure.failed(`${path} can not be loaded: ${String(error)}`)
  })
  const layers = new Map<string, Hosted>()
  if (typeof exported === "object" && exported !== null) {
    for (const [name, value] of Object.entries(exported)) if (isHosted(value)) layers.set(name, value)
  }
  return layers.size > 0 ? layers : yield* Failure.failed(
    `${path} exports no Layer. Export one, such as \`export const layer = MyProcessor.toLayer({ … })\``
  )
})

/** The layers at work, in a scope that ends them. What is exported by itself and in a merge is at work once. */
const build = Effect.fnUntraced(function*(
  path: string,
  layers: ReadonlyMap<string, Hosted>,
  context: Context.Context<Given>
) {
  const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
  const once = yield* Layer.makeMemoMap
  const registering = inOneExport(Context.get(context, Processors))
  yield* Effect.forEach(layers, ([name, layer]) =>
    Effect.provide(
      Layer.buildWithMemoMap(layer, once, scope),
      Context.add(context, Processors, registering(name))
    ), { discard: true }).pipe(
    Effect.tapCause(() => Scope.close(scope, Exit.void)),
    Effect.catchCause((cause) => Effect.fail(Failure.failed(`${path} can not run: ${messageOf(cause)}`)))
  )
  yield* Output.note(`${path}: ${layers.size} ${layers.size === 1 ? "layer" : "layers"} at work\n`)
  return scope
})

/** Registers processors for the exports of one file: two layers of one processor are told by what they are called. */
const inOneExport = (processors: Processors["Service"]) => {
  const registeredBy = new Map<string, string>()
  return (name: string): Processors["Service"] => ({
    run: (processor, options) =>
      Effect.suspend(() => {
        const other = registeredBy.get(processor.name)
        registeredBy.set(processor.name, name)
        if (other === undefined) return processors.run(processor, options)
        const where = other === name ? `twice in \`${name}\`` : `in \`${other}\` and again in \`${name}\``
        return Effect.die(new Error(`The processor ${processor.name} is ${where}. Drop one of the two`))
      })
  })
}

const messageOf = (cause: Cause.Cause<unknown>): string =>
  Cause.prettyErrors(cause).map(({ message }) => message).join("; ")

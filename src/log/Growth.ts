/**
 * Names streams when they grow. A signal carries no events, so a lost one costs a delay and never an
 * event. Listeners are called at once, in the appender's turn: they note that there is something to read.
 */
import { Context, Effect, Layer } from "effect"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"

export interface Grown {
  readonly path: StreamPath
  /** Offset of the last event; none where another process wrote it. */
  readonly head: number | undefined
  /** The types written; none where another process wrote them. */
  readonly types: ReadonlySet<string> | undefined
  /** Where the types are not told: whether none of them is one that the server's own processors consume. */
  readonly isCommon?: boolean
  /** The stream was deleted: what was read before is gone. */
  readonly deleted: boolean
}

type Listener = (grown: Grown) => void

export class Growth extends Context.Service<Growth, {
  /** Calls the listener each time the stream grows, until the returned function is called. */
  readonly onStream: (path: StreamPath, listener: Listener) => () => void
  /** The same for a stream and all below it. */
  readonly onPrefix: (prefix: StreamPath, listener: Listener) => () => void
  /** Whether anyone listens to exactly this stream. */
  readonly isWatched: (path: StreamPath) => boolean
  /** The streams that someone listens to, prefixes left out. */
  readonly watched: () => ReadonlyArray<StreamPath>
  readonly announce: (grown: Grown) => void
  /** The same for those only who listen to exactly this stream: its signal may have been lost. */
  readonly remind: (grown: Grown) => void
  /** Everything may have grown: signals were lost. */
  readonly announceAll: () => void
}>()("millstream/log/Growth") {
  static readonly layer = Layer.effect(Growth, Effect.gen(function*() {
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const onDefect = (path: StreamPath, defect: unknown) => {
      runFork(Effect.logError(`A listener of ${path} failed; the others are told all the same`, defect))
    }
    const streams = new Listeners(onDefect)
    const prefixes = new Listeners(onDefect)
    return Growth.of({
      onStream: (path, listener) => streams.add(path, listener),
      onPrefix: (prefix, listener) => prefixes.add(prefix, listener),
      isWatched: (path) => streams.has(path),
      watched: () => [...streams.byPath.keys()],
      announce: (grown) => {
        streams.call(grown.path, grown)
        // Processors listen to all there is, and are always there: that costs no look at what is above each stream.
        prefixes.call(Path.root, grown)
        if (prefixes.isOnly(Path.root)) return
        for (const prefix of [grown.path, ...Path.ancestors(grown.path)]) {
          if (prefix !== Path.root) prefixes.call(prefix, grown)
        }
      },
      remind: (grown) => streams.call(grown.path, grown),
      announceAll: () => {
        streams.callAll()
        prefixes.callAll()
      }
    })
  }))
}

class Listeners {
  readonly byPath = new Map<StreamPath, Set<Listener>>()
  private readonly onDefect: (path: StreamPath, defect: unknown) => void

  constructor(onDefect: (path: StreamPath, defect: unknown) => void) {
    this.onDefect = onDefect
  }

  /** Whether nobody listens anywhere else. */
  isOnly(path: StreamPath): boolean {
    return this.byPath.size === (this.byPath.has(path) ? 1 : 0)
  }

  has(path: StreamPath): boolean {
    return this.byPath.has(path)
  }

  add(path: StreamPath, listener: Listener): () => void {
    const known = this.byPath.get(path)
    const listeners = known ?? new Set()
    if (known === undefined) this.byPath.set(path, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.byPath.get(path) === listeners) this.byPath.delete(path)
    }
  }

  call(path: StreamPath, grown: Grown): void {
    const listeners = this.byPath.get(path)
    if (listeners !== undefined) { for (const listener of listeners) this.tell(listener, grown) }
  }

  callAll(): void {
    for (const [path, listeners] of this.byPath) {
      for (const listener of listeners) this.tell(listener, { path, head: undefined, types: undefined, deleted: false })
    }
  }

  /** One that fails must not keep it from the others, nor from whoever has just committed. */
  private tell(listener: Listener, grown: Grown): void {
    try {
      listener(grown)
    } catch (defect) {
      this.onDefect(grown.path, defect)
    }
  }
}

/** The next growth of a stream, for readers that wait for one at a time. */
export const next = (growth: Growth["Service"], path: StreamPath): Effect.Effect<Grown> =>
  Effect.callback((resume) => {
    const stop = growth.onStream(path, (grown) => {
      stop()
      // In a turn of its own: one that listens again at once would be told of the same growth, for ever.
      resume(Effect.as(Effect.yieldNow, grown))
    })
    return Effect.sync(stop)
  })

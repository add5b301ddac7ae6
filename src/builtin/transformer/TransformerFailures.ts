/**
 * What a transformer says of its failures: the first at once; how many came behind it a minute later, or once it makes
 * something again or ends. So a misspelt one does not double its stream. Known limit: of what came behind the first a
 * server that is killed does not tell any more.
 */
import { Clock, Effect, Metric, Result } from "effect"
import type { Scope } from "effect"
import { ErrorOccurred } from "../../domain/ControlEvent.ts"
import type { Event } from "../../domain/Event.ts"
import { processor } from "../../domain/Transformer.ts"
import * as BuiltInFailure from "../BuiltInFailure.ts"
import * as Output from "./TransformerOutput.ts"
import type { Position, Tools } from "./TransformerPosition.ts"

/** Pause between two errors of one run of failures, in milliseconds. */
const tellsEvery = 60_000
/** Bound of what is said of a failure, in characters. */
const maxMessage = 2_048

const failures = Metric.counter("millstream_transformation_failures_total", {
  description: "Events that a transformer failed at",
  incremental: true
})

export class Failures {
  private readonly tools: Tools
  private readonly position: Position
  private readonly scope: Scope.Scope
  /** The first one that is not told, and how many there are. */
  private first: { readonly event: Event; readonly message: string } | undefined
  private untold = 0
  /** When the next is told, in milliseconds since 1970. */
  private nextAt = 0
  private willTell = false

  /** Tells the rest when the scope closes. */
  static readonly open = Effect.fnUntraced(function*(tools: Tools, position: Position) {
    const failures = new Failures(tools, position, yield* Effect.scope)
    yield* Effect.addFinalizer(() => failures.tell)
    return failures
  })

  private constructor(tools: Tools, position: Position, scope: Scope.Scope) {
    this.tools = tools
    this.position = position
    this.scope = scope
  }

  /** It failed at an event, which is passed. */
  at(event: Event, message: string): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      yield* Metric.update(failures, 1)
      if (BuiltInFailure.isFailure(event)) return yield* this.position.pass(event.offset)
      this.first ??= { event, message }
      this.untold += 1
      if ((yield* Clock.currentTimeMillis) >= this.nextAt) return yield* this.tell
      yield* this.position.pass(event.offset)
      if (this.willTell) return
      this.willTell = true
      yield* Effect.forkIn(this.tellLater, this.scope)
    })
  }

  /** It made something: that ends a run of failures. */
  readonly over: Effect.Effect<void> = Effect.suspend(() =>
    Effect.map(this.tell, () => {
      this.nextAt = 0
    })
  )

  private readonly tellLater = Effect.gen({ self: this }, function*() {
    while (this.untold > 0) {
      const left = this.nextAt - (yield* Clock.currentTimeMillis)
      yield* left > 0 ? Effect.sleep(left) : this.tell
    }
    this.willTell = false
  })

  /** What is not told yet, on its own stream, which takes it though it is paused. */
  private readonly tell: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    const { first, untold } = this
    if (first === undefined) return
    this.first = undefined
    this.untold = 0
    this.nextAt = (yield* Clock.currentTimeMillis) + tellsEvery
    const { event, message } = first
    const { offset, streamPath } = event
    const slug = this.tools.key
    const payload = {
      message: message.slice(0, maxMessage),
      source: processor,
      slug,
      offset,
      ...(untold === 1 ? {} : { count: untold })
    }
    const say = (idempotencyKey: string) => {
      const said = ErrorOccurred.make(payload, { idempotencyKey })
      return this.position.commit(offset, [{ event: said, byServer: true }], event)
    }
    const key = Output.errorKey(slug, offset)
    const recorded = yield* say(key).pipe(
      // Somebody else's event has that key.
      Effect.catchTag("IdempotencyConflict", () => say(`${key}/${crypto.randomUUID()}`)),
      Effect.result
    )
    if (Result.isSuccess(recorded)) return
    const what = `${slug} on ${streamPath} failed at ${offset}, which could not be recorded there`
    yield* Effect.logWarning(what, { message, reason: recorded.failure })
    yield* this.position.pass(offset)
  }).pipe(Effect.uninterruptible)
}

/**
 * What is told of an expression that fails: the first event at once, and then at most one in a while, which counts
 * those that were passed over meanwhile. So a misspelt expression does not double a stream, and nothing waits for the
 * telling. Known limit: a server that is killed has not told of the last of them.
 */
import { Effect, Latch } from "effect"
import type { Scope } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import * as DeliveryChoice from "./DeliveryChoice.ts"

/** The shortest time between two that are told. */
const pause = "1 minute"

/** Events at which an expression failed, of which the first one is named. */
export interface Failed {
  readonly line: JsonText
  readonly message: string
  readonly count: number
}

export class Failures {
  private readonly tell: (failed: Failed) => Effect.Effect<void>
  private readonly some = Latch.makeUnsafe()
  private untold: Failed | undefined

  constructor(tell: (failed: Failed) => Effect.Effect<void>) {
    this.tell = tell
  }

  /** Tells until the scope closes, and then the rest. */
  readonly start: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
    Effect.addFinalizer(() => this.tellRest).pipe(
      Effect.andThen(Effect.forkScoped(Effect.forever(Effect.suspend(() => this.telling)))),
      Effect.asVoid
    ))

  /** An event is passed over. */
  add(line: JsonText, message: string): void {
    if (DeliveryChoice.isFailure(line)) return
    const { untold } = this
    this.untold = untold === undefined ? { line, message, count: 1 } : { ...untold, count: untold.count + 1 }
    this.some.openUnsafe()
  }

  private readonly tellRest: Effect.Effect<void> = Effect.suspend(() => {
    const { untold } = this
    this.untold = undefined
    this.some.closeUnsafe()
    return untold === undefined ? Effect.void : this.tell(untold)
  })

  private readonly telling: Effect.Effect<void> = this.some.await.pipe(
    Effect.andThen(Effect.uninterruptible(this.tellRest)),
    Effect.andThen(Effect.sleep(pause))
  )
}

/**
 * What a subscription pushes next: the wanted events of what it follows, in order, each as its own text or as what a
 * transform makes of it. While a push is under way the next stretch of history is prepared, unless it is the first one:
 * for a receiver that is not there no more is held. A batch holds what exists now of one stretch, so that it may be
 * smaller than it could be.
 */
import { Effect, Latch, Result } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import * as DeliveryChoice from "./DeliveryChoice.ts"
import type { Place } from "./DeliveryCursor.ts"
import type { Push } from "./DeliveryPush.ts"
import * as DeliveryPush from "./DeliveryPush.ts"
import type { Follow, Stretch } from "./Follow.ts"
import type { Jsonata } from "../Jsonata.ts"
import { isTrue } from "../Jsonata.ts"
import type { Configuration } from "./Subscription.ts"

/** Bound of one push, in characters of JSON; one event of any size goes alone. */
const maxBody = 1_048_576

/** Up to here nothing else is wanted. */
export interface Passed {
  readonly _tag: "Passed"
  readonly at: Place
}

/** Whose pushes are made, of what. */
export interface Source {
  readonly slug: string
  readonly path: string
  readonly configuration: Configuration
  /** From the cursor on. */
  readonly follow: Follow
  readonly jsonata: Jsonata["Service"]
}

export interface Options extends Source {
  /** Hears of an event that is passed over, since an expression failed; nothing waits for what it does. */
  readonly onFailed: (expression: "filter" | "transform", line: JsonText, message: string) => void
}

/** The wanted events of a stretch, and what is pushed of each. */
interface Prepared {
  readonly stretch: Stretch
  readonly lines: ReadonlyArray<JsonText>
  readonly texts: ReadonlyArray<JsonText>
  /** Their indexes in the stretch; none where all of it is wanted. */
  readonly indexes: ReadonlyArray<number> | undefined
}

export class Feed {
  private readonly options: Options
  private readonly choosing: DeliveryChoice.Choosing
  private readonly wanted = Latch.makeUnsafe()
  private readonly ready = Latch.makeUnsafe()
  private isPreparing = false
  /** Whether a push was taken: whoever asks for the next one says so. */
  private isTaken = false
  private prepared: Prepared | undefined
  private present: Prepared | undefined
  private index = 0

  constructor(options: Options) {
    this.options = options
    this.choosing = DeliveryChoice.make(options.path, options.slug, options.configuration.types)
  }

  /** Prepares what comes next, for as long as it runs: beside whoever asks for it. */
  readonly run: Effect.Effect<never> = Effect.forever(Effect.suspend(() =>
    this.wanted.await.pipe(
      Effect.andThen(Effect.suspend(() => {
        this.wanted.closeUnsafe()
        this.isPreparing = true
        return Effect.flatMap(this.options.follow.next, (stretch) => this.prepare(stretch))
      })),
      Effect.map((prepared) => {
        this.isPreparing = false
        this.prepared = prepared
        this.ready.openUnsafe()
      })
    )), { disableYield: true })

  /** The next step; waits for growth. */
  readonly next: Effect.Effect<Push | Passed> = Effect.suspend(() => {
    const { present } = this
    if (present === undefined) return Effect.flatMap(this.take, () => this.next)
    if (this.index < present.lines.length) return Effect.succeed(this.compose(present))
    this.present = undefined
    return Effect.succeed<Passed>({ _tag: "Passed", at: present.stretch.last })
  })

  private readonly take: Effect.Effect<void> = Effect.suspend(() => {
    const { prepared } = this
    if (prepared === undefined) {
      if (!this.isPreparing) this.wanted.openUnsafe()
      return Effect.andThen(this.ready.await, this.take)
    }
    this.prepared = undefined
    this.ready.closeUnsafe()
    this.present = prepared
    this.index = 0
    return Effect.void
  })

  private compose(present: Prepared): Push {
    const { batch } = this.options.configuration
    const from = this.index
    let to = from + 1
    // What is live is left where it is until it is asked for, so that one push takes all that came meanwhile.
    const isAhead = this.isPreparing || this.prepared !== undefined
    if (this.isTaken && present.stretch.more && !isAhead) this.wanted.openUnsafe()
    this.isTaken = true
    if (batch !== undefined) {
      let characters = present.texts[from]?.length ?? 0
      for (; to < present.texts.length && to - from < batch; to++) {
        characters += (present.texts[to]?.length ?? 0) + 1
        if (characters > maxBody) break
      }
    }
    this.index = to
    return DeliveryPush.make({
      isBatch: batch !== undefined,
      lines: present.lines.slice(from, to),
      texts: present.texts.slice(from, to),
      place: (index) => placeOf(present, from + index)
    })
  }

  private prepare(stretch: Stretch): Effect.Effect<Prepared> {
    const { filter, transform } = this.options.configuration
    const chosen = this.choose(stretch)
    if (filter === undefined && transform === undefined) return Effect.succeed(chosen)
    const filtered = filter === undefined ? Effect.succeed(chosen) : this.filter(chosen, filter)
    return transform === undefined ? filtered : Effect.flatMap(filtered, (each) => this.transform(each, transform))
  }

  private choose(stretch: Stretch): Prepared {
    const { lines } = stretch
    const indexes = DeliveryChoice.choose(this.choosing, lines)
    const all: Prepared = { stretch, lines, texts: lines, indexes: undefined }
    return indexes === undefined ? all : pick(all, indexes)
  }

  private filter(prepared: Prepared, expression: string): Effect.Effect<Prepared> {
    return Effect.map(this.evaluate(expression, prepared.lines), (results) => {
      const kept: Array<number> = []
      for (const [index, result] of results.entries()) {
        if (result._tag === "Failed") {
          this.options.onFailed("filter", prepared.lines[index] ?? "", `Its filter failed: ${result.message}`)
        } else if (isTrue(result.value)) kept.push(index)
      }
      return kept.length === results.length ? prepared : pick(prepared, kept)
    })
  }

  private transform(prepared: Prepared, expression: string): Effect.Effect<Prepared> {
    return Effect.map(this.evaluate(expression, prepared.lines), (results) => {
      const kept: Array<number> = []
      const texts: Array<JsonText> = []
      for (const [index, result] of results.entries()) {
        const text = DeliveryPush.textOf(result)
        if (Result.isSuccess(text)) {
          kept.push(index)
          texts.push(text.success)
        } else this.options.onFailed("transform", prepared.lines[index] ?? "", text.failure)
      }
      return { ...(kept.length === results.length ? prepared : pick(prepared, kept)), texts }
    })
  }

  private evaluate(expression: string, lines: ReadonlyArray<JsonText>) {
    return lines.length === 0 ? Effect.succeed([]) : this.options.jsonata.evaluate(expression, lines)
  }
}

const placeOf = ({ indexes, stretch }: Prepared, index: number): Place =>
  stretch.place(indexes === undefined ? index : indexes[index] ?? index)

const pick = ({ indexes, lines, stretch, texts }: Prepared, kept: ReadonlyArray<number>): Prepared => ({
  stretch,
  lines: kept.map((index) => lines[index] ?? ""),
  texts: kept.map((index) => texts[index] ?? ""),
  indexes: kept.map((index) => indexes?.[index] ?? index)
})

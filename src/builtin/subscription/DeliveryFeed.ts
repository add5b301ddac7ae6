/**
 * What a subscription pushes next: the wanted events of what it follows, in order, each as its own text or as what a
 * transform makes of it. While a push is under way the next stretch of history is prepared, unless it is the first one:
 * for a receiver that is not there no more is held. A batch holds what exists now of one stretch, so that it may be
 * smaller than it could be.
 */
import { Effect, Latch } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import * as DeliveryChoice from "./DeliveryChoice.ts"
import type { Place } from "./DeliveryCursor.ts"
import type { Follow, Stretch } from "./Follow.ts"
import * as FollowPlace from "./FollowPlace.ts"
import type { Jsonata } from "../Jsonata.ts"
import { isTrue } from "../Jsonata.ts"
import type { Configuration } from "./Subscription.ts"

/** Bound of one push, in characters of JSON; one event of any size goes alone. */
const maxBody = 1_048_576

/** One request. */
export interface Push {
  readonly _tag: "Push"
  readonly body: JsonText
  /** Its first and last event in their wire form. */
  readonly first: JsonText
  readonly last: JsonText
  readonly count: number
  /** Behind its last event. */
  readonly end: Place
}

export type Step = Push | {
  /** Up to here nothing else is wanted. */
  readonly _tag: "Passed"
  readonly at: Place
}

export interface Options {
  readonly slug: string
  readonly path: string
  readonly configuration: Configuration
  readonly follow: Follow
  readonly jsonata: Jsonata["Service"]
  /** Hears of an event that is passed over, since an expression failed. */
  readonly onFailed: (line: JsonText, message: string) => Effect.Effect<void>
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

  /** The next step; waits for growth. With `upTo`, the push that ends there, whatever its size was configured to be. */
  readonly next = (upTo?: Place): Effect.Effect<Step> =>
    Effect.suspend(() => {
      const { present } = this
      if (present === undefined) return Effect.flatMap(this.take, () => this.next(upTo))
      if (this.index < present.lines.length) {
        return upTo === undefined ? this.compose(present) : this.again(present, upTo)
      }
      this.present = undefined
      return Effect.succeed<Step>({ _tag: "Passed", at: present.stretch.last })
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

  private compose(present: Prepared): Effect.Effect<Step> {
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
    return Effect.succeed(this.push([{ present, from, to }]))
  }

  /** The same push as before: its events exist, in one stretch or in several. */
  private again(present: Prepared, upTo: Place): Effect.Effect<Step> {
    return Effect.gen({ self: this }, function*() {
      const parts: Array<Part> = []
      for (let part = present;;) {
        const from = this.index
        while (this.index < part.lines.length && !FollowPlace.isBehind(placeOf(part, this.index), upTo)) this.index++
        if (this.index > from) parts.push({ present: part, from, to: this.index })
        if (this.index < part.lines.length || !FollowPlace.isBehind(upTo, part.stretch.last)) break
        yield* this.take
        part = this.present ?? part
      }
      // None of it is wanted any more: an expression may depend on the time.
      return parts.length === 0 ? { _tag: "Passed" as const, at: upTo } : this.push(parts)
    })
  }

  private push(parts: ReadonlyArray<Part>): Push {
    const texts = parts.flatMap(({ from, present, to }) => present.texts.slice(from, to))
    const [head] = parts
    const tail = parts.at(-1)
    return {
      _tag: "Push",
      body: this.options.configuration.batch === undefined ? texts[0] ?? "" : `{"events":[${texts.join(",")}]}`,
      first: head?.present.lines[head.from] ?? "",
      last: tail?.present.lines[tail.to - 1] ?? "",
      count: texts.length,
      end: tail === undefined ? 0 : placeOf(tail.present, tail.to - 1)
    }
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
    return Effect.gen({ self: this }, function*() {
      const results = yield* this.evaluate(expression, prepared.lines)
      const kept: Array<number> = []
      for (const [index, result] of results.entries()) {
        if (result._tag === "Value") {
          if (isTrue(result.value)) kept.push(index)
        } else yield* this.options.onFailed(prepared.lines[index] ?? "", `Its filter failed: ${result.message}`)
      }
      return kept.length === results.length ? prepared : pick(prepared, kept)
    })
  }

  private transform(prepared: Prepared, expression: string): Effect.Effect<Prepared> {
    return Effect.gen({ self: this }, function*() {
      const results = yield* this.evaluate(expression, prepared.lines)
      const kept: Array<number> = []
      const texts: Array<JsonText> = []
      for (const [index, result] of results.entries()) {
        if (result._tag === "Value" && result.value !== undefined) {
          kept.push(index)
          texts.push(JSON.stringify(result.value))
          continue
        }
        const why = result._tag === "Failed" ? `failed: ${result.message}` : "made nothing of it"
        yield* this.options.onFailed(prepared.lines[index] ?? "", `Its transform ${why}`)
      }
      return { ...(kept.length === results.length ? prepared : pick(prepared, kept)), texts }
    })
  }

  private evaluate(expression: string, lines: ReadonlyArray<JsonText>) {
    return lines.length === 0 ? Effect.succeed([]) : this.options.jsonata.evaluate(expression, lines)
  }
}

interface Part {
  readonly present: Prepared
  readonly from: number
  readonly to: number
}

const placeOf = ({ indexes, stretch }: Prepared, index: number): Place =>
  stretch.place(indexes === undefined ? index : indexes[index] ?? index)

const pick = ({ indexes, lines, stretch, texts }: Prepared, kept: ReadonlyArray<number>): Prepared => ({
  stretch,
  lines: kept.map((index) => lines[index] ?? ""),
  texts: kept.map((index) => texts[index] ?? ""),
  indexes: kept.map((index) => indexes?.[index] ?? index)
})

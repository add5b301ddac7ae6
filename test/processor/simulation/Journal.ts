/**
 * All that was ever recorded, also of streams that are deleted, and what the processors' own definitions make of
 * it: the truth that a run is judged by. It is written in the turn of each commit.
 */
import { Effect } from "effect"
import type { Event } from "../../../src/domain/Event.ts"
import * as EventText from "../../../src/domain/EventText.ts"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { EventStore } from "../../../src/log/EventStore.ts"
import type { Grown } from "../../../src/log/Growth.ts"
import type { Asked } from "../../../src/processor/Folding.ts"
import type { Any } from "../../../src/processor/Processor.ts"

/** One life of a stream. */
export interface Life {
  readonly id: bigint
  readonly path: StreamPath
  readonly events: Array<Entry>
  isOver: boolean
}

export interface Entry {
  readonly event: Event
  /** Place in the whole journal, from 0 on. */
  readonly place: number
}

/** What a processor's definition makes of a life's events so far. */
interface Folded {
  /** Of each event: the state behind it, and what it asks for; and whether it is consumed, or does not fit. */
  readonly steps: Array<Step>
  readonly folding: ReturnType<Any["fold"]>
}

export interface Step {
  readonly state: string
  readonly asked: ReadonlyMap<string, Asked>
  readonly outcome: "Passed" | "Misfit" | "Folded" | "Threw"
}

export class Journal {
  readonly lives: Array<Life> = []
  /** How many events were recorded in all. */
  size = 0
  private readonly current = new Map<StreamPath, Life>()
  private readonly folded = new Map<Life, Map<Any, Folded>>()
  private readonly store: EventStore["Service"]

  constructor(store: EventStore["Service"]) {
    this.store = store
  }

  /** Hears what was written, in the same turn. */
  hear({ deleted, path }: Grown): void {
    if (deleted) {
      const life = this.current.get(path)
      if (life !== undefined) life.isOver = true
      this.current.delete(path)
      return
    }
    const page = Effect.runSync(this.store.read(path, { after: this.current.get(path)?.events.at(-1)?.event.offset ?? 0 }))
    if (page.life === undefined) return
    let life = this.current.get(path)
    if (life === undefined) {
      life = { id: page.life, path, events: [], isOver: false }
      this.current.set(path, life)
      this.lives.push(life)
    }
    for (const line of page.lines) life.events.push({ event: EventText.decode(line), place: this.size++ })
  }

  /** The life of a stream that is not deleted. */
  at(path: string): Life | undefined {
    return this.lives.findLast((life) => life.path === path && !life.isOver)
  }

  life(id: bigint): Life | undefined {
    return this.lives.findLast((life) => life.id === id)
  }

  /** What a definition makes of each event of a life. A reducer that throws leaves the state as it was. */
  steps(processor: Any, life: Life): ReadonlyArray<Step> {
    const byProcessor = this.folded.get(life) ?? new Map<Any, Folded>()
    this.folded.set(life, byProcessor)
    const folded = byProcessor.get(processor) ?? { steps: [], folding: processor.fold() }
    byProcessor.set(processor, folded)
    const { folding, steps } = folded
    for (const { event } of life.events.slice(steps.length)) {
      const outcome = step(folding, event)
      const last = steps.at(-1)
      const isSame = outcome === "Passed" && last !== undefined
      steps.push(isSame ? { ...last, outcome } : { state: folding.state(), asked: folding.asked(), outcome })
    }
    return steps
  }

  /** The state that a definition has at an offset of a life. */
  stateAt(processor: Any, life: Life, offset: number): string {
    const first = life.events[0]?.event.offset ?? 1
    return this.steps(processor, life)[offset - first]?.state ?? processor.fold().state()
  }
}

/** Folds one event as the runtime does once a person has passed over what throws. */
export const step = (folding: ReturnType<Any["fold"]>, event: Event): Step["outcome"] => {
  try {
    return folding.step(event)._tag
  } catch {
    return "Threw"
  }
}

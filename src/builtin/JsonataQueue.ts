/**
 * Turns that wait for one of two places: the quick and the slow ones in their order, of the unknown ones the last
 * first, since bad ones come in flocks. Known limit: who never stops making new expressions keeps the slow ones from
 * their turns.
 */
import { Effect } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import type { Outcome } from "./JsonataProcess.ts"
import type { Lane } from "./JsonataStanding.ts"

/** What each place takes, the first that there is: one is always for those that are quick. */
const lanesOf = { reserved: ["quick"], open: ["unknown", "slow", "quick"] } as const
export type Place = keyof typeof lanesOf
export const places: ReadonlyArray<Place> = ["reserved", "open"]

/** The outcomes of the first inputs; or the process died of them, or it has to ask again since it may wait by now. */
export type Answer = ReadonlyArray<Outcome> | "died" | "later"

export interface Turn {
  readonly key: string
  readonly expression: string
  readonly inputs: ReadonlyArray<JsonText>
  readonly lane: Lane
  /** Whether it looks for the input that a process died of: it is not held then. */
  readonly isAgain: boolean
}

export interface Asked extends Turn {
  readonly answer: (answer: Effect.Effect<Answer>) => void
  /** Whether nobody waits for its answer any more. */
  isLeft: boolean
}

export class JsonataQueue {
  private readonly waiting: Readonly<Record<Lane, Array<Asked>>> = { unknown: [], quick: [], slow: [] }
  private readonly free = new Map<Place, (asked: Asked) => void>()
  private readonly all = new Set<Asked>()
  private isClosed = false

  /** Waits for a place and the answer. Interrupted, it leaves a turn that has begun to end by itself. */
  ask(turn: Turn): Effect.Effect<Answer> {
    return Effect.callback((resume) => {
      if (this.isClosed) return resume(Effect.interrupt)
      const asked: Asked = {
        ...turn,
        isLeft: false,
        answer: (answer) => {
          this.all.delete(asked)
          resume(answer)
        }
      }
      this.all.add(asked)
      const lane = this.waiting[turn.lane]
      lane.push(asked)
      this.deal()
      return Effect.sync(() => {
        asked.isLeft = true
        this.all.delete(asked)
        const index = lane.indexOf(asked)
        if (index !== -1) lane.splice(index, 1)
      })
    })
  }

  /** The next turn of a place. */
  take(place: Place): Effect.Effect<Asked> {
    return Effect.callback((resume) => {
      this.free.set(place, (asked) => resume(Effect.succeed(asked)))
      this.deal()
      return Effect.sync(() => this.free.delete(place))
    })
  }

  /** Interrupts all who wait, and who comes from now on. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.isClosed = true
    for (const asked of this.all) asked.answer(Effect.interrupt)
  })

  private deal(): void {
    for (const place of places) {
      const take = this.free.get(place)
      const lane = take && lanesOf[place].find((each) => this.waiting[each].length > 0)
      const asked = lane && (lane === "unknown" ? this.waiting[lane].pop() : this.waiting[lane].shift())
      if (take === undefined || asked === undefined) continue
      this.free.delete(place)
      take(asked)
    }
  }
}

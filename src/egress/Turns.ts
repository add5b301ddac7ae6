/**
 * Whose request is next: a bounded number is under way, in all and to one origin, and origins take turns at what is
 * free, so that the long queue of one is no long wait for the others. Known limits: requests to one origin wait for
 * each other in order, also for those that hang; so many origins that hang as fill the whole delay the others until
 * one of their requests runs into its timeout.
 */
import { Effect } from "effect"

/** How many may be under way. */
export interface Bounds {
  readonly perOrigin: number
  readonly whole: number
}

export interface Turns {
  /** Runs it once it is its turn, which ends with it. */
  readonly take: (origin: string) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

interface Origin {
  underWay: number
  readonly waiting: Set<Turn>
}

interface Turn {
  readonly name: string
  begun: boolean
  begin: () => void
}

export const make = ({ perOrigin, whole }: Bounds): Turns => {
  const origins = new Map<string, Origin>()
  // Those where somebody waits who may begin as soon as there is room in the whole, the next one first.
  const ready = new Set<string>()
  let underWay = 0
  let dealing = false

  const deal = (): void => {
    // Who begins may end at once, or ask for more: that is dealt with here, instead of ever deeper.
    if (dealing) return
    dealing = true
    for (const name of ready) {
      if (underWay >= whole) break
      ready.delete(name)
      const origin = origins.get(name)
      const [turn] = origin?.waiting ?? []
      if (origin === undefined || turn === undefined) continue
      origin.waiting.delete(turn)
      origin.underWay += 1
      underWay += 1
      // Behind the other origins.
      if (origin.waiting.size > 0 && origin.underWay < perOrigin) ready.add(name)
      turn.begun = true
      turn.begin()
    }
    dealing = false
  }

  const wait = (turn: Turn): Effect.Effect<void> =>
    Effect.callback((resume) => {
      turn.begin = () => resume(Effect.void)
      const origin = origins.get(turn.name) ?? { underWay: 0, waiting: new Set() }
      origins.set(turn.name, origin)
      origin.waiting.add(turn)
      if (origin.underWay < perOrigin) ready.add(turn.name)
      deal()
    })

  const leave = (turn: Turn): void => {
    const { begun, name } = turn
    const origin = origins.get(name)
    if (origin === undefined) return
    if (begun) {
      origin.underWay -= 1
      underWay -= 1
    } else {
      origin.waiting.delete(turn)
    }
    if (origin.waiting.size === 0) {
      ready.delete(name)
      if (origin.underWay === 0) origins.delete(name)
    } else if (origin.underWay < perOrigin) {
      ready.add(name)
    }
    deal()
  }

  return {
    take: (name) => (self) =>
      Effect.suspend(() => {
        const turn: Turn = { name, begun: false, begin: () => {} }
        // Around both: it may be interrupted between its begin and what it begins with.
        return Effect.ensuring(Effect.andThen(wait(turn), self), Effect.sync(() => leave(turn)))
      })
  }
}

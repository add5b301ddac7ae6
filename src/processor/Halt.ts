/** What ends the course of an instance: nothing is left to do, or it waits for a person. */
import type { Ended } from "./Instance.ts"

export interface Stop {
  readonly _tag: "Stop"
  readonly ended: Ended
}

/** A hook or the reducer has failed for good at an event. */
export interface Park {
  readonly _tag: "Park"
  readonly offset: number
  readonly error: string
}

export const stop = (ended: Ended): Stop => ({ _tag: "Stop", ended })
export const park = (offset: number, error: string): Park => ({ _tag: "Park", offset, error })

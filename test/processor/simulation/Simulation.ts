/** Looks for a schedule that breaks a promise, from a seed, and makes what it found small. */
import * as fc from "fast-check"
import type { Schedule } from "./Schedule.ts"
import * as Schedules from "./Schedule.ts"
import type { Variant } from "./Variants.ts"
import * as Variants from "./Variants.ts"
import type { Invariant } from "./Violation.ts"
import { Violation } from "./Violation.ts"

export interface Options {
  readonly seed: number
  readonly rounds: number
  readonly variant?: Variant
  /** Whether what was found is made small, which takes as long again. */
  readonly shrinks?: boolean
}

/** A schedule that breaks a promise. */
export interface Found {
  readonly schedule: Schedule
  readonly message: string
  /** None where something else failed. */
  readonly invariant: Invariant | undefined
  readonly seed: number
}

export const search = ({ rounds, seed, shrinks = true, variant = Variants.sound }: Options): Found | undefined => {
  const property = fc.property(Schedules.schedule, (schedule) => {
    Schedules.run(schedule, variant)
  })
  const { counterexample, errorInstance } = fc.check(property, { seed, numRuns: rounds, endOnFailure: !shrinks })
  if (counterexample === null) return undefined
  const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  const invariant = errorInstance instanceof Violation ? errorInstance.invariant : undefined
  return { schedule: counterexample[0], message, invariant, seed }
}

/** What was found, to be run again with `Schedule.run`. */
export const tell = ({ message, schedule, seed }: Found): string =>
  `${message}\nfound with seed ${seed}: ${JSON.stringify(schedule)}`

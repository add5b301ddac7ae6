/** What waits to be appended, first come first served. How much may wait is bounded by the appender. */
import type { Exit } from "effect"
import type { AppendError, Fenced } from "../domain/StreamError.ts"
import type { Arrived, Unverified } from "./Arrivals.ts"
import type { Appended, AppendRequest, Commit } from "./EventStore.ts"

export interface WaitingAppend {
  readonly _tag: "Append"
  readonly request: AppendRequest
  readonly bytes: number
  readonly answer: (exit: Exit.Exit<Appended, AppendError>) => void
}

export interface WaitingArrival {
  readonly _tag: "Arrival"
  readonly request: Arrived
  readonly bytes: number
  readonly answer: (exit: Exit.Exit<Appended, AppendError | Unverified>) => void
}

export interface WaitingCommit {
  readonly _tag: "Commit"
  readonly request: Commit
  readonly bytes: number
  readonly answer: (exit: Exit.Exit<ReadonlyArray<Appended>, AppendError | Fenced>) => void
}

export type Waiting = WaitingAppend | WaitingArrival | WaitingCommit

export class AppendQueue {
  private items: Array<Waiting> = []
  /** Of all that wait. */
  bytes = 0

  put(each: Waiting): void {
    this.items.push(each)
    this.bytes += each.bytes
  }

  /** Puts those that could not be decided before all others. */
  putBack(again: ReadonlyArray<Waiting>): void {
    if (again.length === 0) return
    this.items = [...again, ...this.items]
    for (const each of again) this.bytes += each.bytes
  }

  /** The first ones, at most so many and so many bytes; at least one where any waits. */
  take(requests: number, bytes: number): ReadonlyArray<Waiting> {
    let count = 0
    let sum = 0
    for (const each of this.items) {
      if (count === requests || (count > 0 && sum + each.bytes > bytes)) break
      sum += each.bytes
      count += 1
    }
    const taken = count === this.items.length ? this.items : this.items.slice(0, count)
    this.items = count === this.items.length ? [] : this.items.slice(count)
    this.bytes -= sum
    return taken
  }
}

/** A promise that a run broke: its invariant by name, and what was seen. */
export type Invariant =
  /** Live state = fold from the start = fold from a checkpoint, byte for byte. */
  | "state"
  /** The facts of an event are recorded exactly once, all of one attempt. */
  | "facts"
  /** A stale owner's commit is refused. */
  | "owner"
  /** Exactly what the state asks for runs; what is to be recorded once is; cursors never go back. */
  | "fibers"
  /** Everything is done at last. */
  | "liveness"
  /** What belongs to a stream that was deleted does nothing on the one that took its path. */
  | "life"

export class Violation extends Error {
  readonly invariant: Invariant

  constructor(invariant: Invariant, detail: string) {
    super(`invariant ${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

/** The bound of what an instance keeps for its fibers, alike in every store. */
import { InvalidEvent } from "../domain/StreamError.ts"

/** Cursors of one instance: none is ever removed, and all are read with it. */
export const maxCursors = 10_000

export const tooMany = (processor: string): InvalidEvent =>
  new InvalidEvent({
    reason: `An instance of ${processor} keeps at most ${maxCursors} cursors of fibers. Let what is done share a key`
  })

/**
 * Memory for bodies that are still arriving: a room that the requests of the process share, and a small one for those
 * that show no token, so that nobody without one can take the room of others. Known limit: a body that has
 * arrived no longer counts; what waits to be recorded then has the bound of the appender's queue.
 */
import { Unavailable } from "../domain/StreamError.ts"

/** Most bytes of bodies under way: sixteen of the largest, which is twice what may wait to be recorded. */
const mostBytes = 128 * 1024 * 1024

export class BodyRoom {
  private left: number

  /** Room for so many bytes. */
  constructor(bytes: number = mostBytes) {
    this.left = bytes
  }

  /** False where there is not so much room: nothing is taken then. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false
    this.left -= bytes
    return true
  }

  /** Gives back what was taken. */
  giveBack(bytes: number): void {
    this.left += bytes
  }

  /** Bytes that can still be taken. */
  get free(): number {
    return this.left
  }
}

/** The room that all requests share which show a token, or need none. */
export const ofProcess = new BodyRoom()

/** Most bytes under way of who may only be admitted by a signature: sixteen of the largest that they may send. */
const mostBytesOfStrangers = 16 * 1024 * 1024

/** The room of those. */
export const ofStrangers = new BodyRoom(mostBytesOfStrangers)

/** There is no room for another body. */
export const isFull = (): Unavailable =>
  new Unavailable({ reason: "More requests arrive at once than there is memory for", retryAfterSeconds: 1 })

/**
 * Work in small turns. When many requests arrive at once, the event loop would decode them all before it looks
 * at the network again, while the database has long answered and waits for the next group.
 */

/** Milliseconds of work in one turn: a tenth of what a commit takes, so that little waits for it. */
const turn = 0.2

export class Turns {
  private waiting: Array<() => void> = []
  private next = 0

  /** Runs the work soon, after what was added before. */
  add(work: () => void): void {
    this.waiting.push(work)
    if (this.waiting.length - this.next === 1) setImmediate(this.run)
  }

  private readonly run = (): void => {
    const until = performance.now() + turn
    do {
      this.waiting[this.next++]?.()
    } while (this.next < this.waiting.length && performance.now() < until)
    if (this.next < this.waiting.length) setImmediate(this.run)
    else {
      this.waiting = []
      this.next = 0
    }
  }
}

/**
 * Postgres's time, estimated between answers by the process's monotonic clock, so that events of several
 * servers share one clock and a step of this machine's wall clock moves nothing.
 */

/** Share of the measured difference that one answer corrects: single slow answers hardly move the clock. */
const correction = 0.1

export class LogClock {
  private distance: number | undefined = undefined

  /** Takes Postgres's time, in milliseconds since 1970, as it was just now. */
  observe(clock: number): void {
    const measured = clock - performance.now()
    this.distance = this.distance === undefined ? measured : this.distance + (measured - this.distance) * correction
  }

  /** Whole milliseconds since 1970. */
  now(): number {
    return Math.floor(performance.now() + (this.distance ?? performance.timeOrigin))
  }
}

/** Waiting for facts: looks again and again until something is so, and fails with what it saw instead. */
import { setTimeout as delay } from "node:timers/promises"

/** What a busy machine may need to recover from anything these tests do; a frozen Postgres stays so for 5 s. */
const patience = 60_000
const pause = 10

/** Fails after a minute. A look that throws is one that has not seen it. */
export const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + patience
  let cause: unknown
  for (;;) {
    try {
      if (await look()) return
      cause = undefined
    } catch (failure) {
      cause = failure
    }
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come true within ${patience / 1_000} s`, { cause })
    }
    await delay(pause)
  }
}

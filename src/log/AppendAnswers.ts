/** What those hear who wait for the appender, by what was decided. */
import { Exit } from "effect"
import type { AppendError, Fenced } from "../domain/StreamError.ts"
import { Unavailable } from "../domain/StreamError.ts"
import type { Unverified } from "./Arrivals.ts"
import type { Appended } from "./EventStore.ts"
import type { Decision } from "./Group.ts"

/** What a request met that was foreseen by nobody. */
export const broken = new Unavailable({
  reason: "The log could not record this; the server's log says why",
  retryAfterSeconds: 1
})

export const locked = (place: string) =>
  new Unavailable({ reason: `Another connection holds the lock of ${place}`, retryAfterSeconds: 1 })

export const appended = (decision: Decision): Exit.Exit<Appended, AppendError> => {
  switch (decision._tag) {
    case "Recorded":
      return Exit.succeed({ lines: decision.events.map((event) => event.line), known: false })
    case "Known":
      return Exit.succeed({ lines: decision.lines, known: true })
    case "Refused":
      return Exit.fail(decision.error)
    default:
      return Exit.die(new Error(`An append was ${decision._tag}`))
  }
}

export const arrived = (decision: Decision): Exit.Exit<Appended, AppendError | Unverified> =>
  decision._tag === "Unverified" ? Exit.fail(decision.error) : appended(decision)

export const committed = (decision: Decision): Exit.Exit<ReadonlyArray<Appended>, AppendError | Fenced> => {
  switch (decision._tag) {
    case "Committed":
      return Exit.succeed(decision.appended)
    case "Fenced":
    case "Refused":
      return Exit.fail(decision.error)
    default:
      return Exit.die(new Error(`A commit was ${decision._tag}`))
  }
}

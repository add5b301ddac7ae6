/**
 * Judges what a receiver was sent against the log as it was read afterwards: pure. A life is the time from a start of
 * the service to its end; within one, an event is sent until it is taken and never again. Known limits: a push of
 * which the receiver read only a part counts for nothing; removed and replayed subscriptions are not understood.
 */

/** An event of the log. */
export interface Logged {
  readonly path: string
  readonly offset: number
  /** Digest of what it holds. */
  readonly content: string
  readonly cause?: { readonly path: string; readonly offset: number; readonly processor: string | null } | undefined
  /** Whose answer it is, as the answer itself says. */
  readonly answers?: Answering | undefined
}

/** One event of a reply: to which event, in which attempt, and the how manyth. */
export interface Answering {
  readonly path: string
  readonly offset: number
  readonly attempt: number
  readonly index: number
}

/** A subscription and what it must push, in this order. */
export interface Subscribed {
  readonly slug: string
  readonly wanted: ReadonlyArray<Logged>
  /** How many events each of its answers asks to append. */
  readonly replies: number
}

/** A push that arrived whole. Times are milliseconds of one monotonic clock. */
export interface Attempt {
  readonly number: number
  readonly slug: string
  readonly webhookId: string
  readonly events: ReadonlyArray<{ readonly path: string; readonly offset: number; readonly content: string }>
  readonly life: number
  readonly at: number
  /** When a whole answer of 2xx had been sent, if one was. */
  readonly takenAt?: number | undefined
}

/** The stored cursor of a subscription after a life: how many of the events that it wants it had passed. */
export interface Stored {
  readonly slug: string
  readonly life: number
  readonly passed: number
}

export interface Observed {
  /** All events of all streams. */
  readonly log: ReadonlyArray<Logged>
  readonly subscriptions: ReadonlyArray<Subscribed>
  /** In the order in which they arrived. */
  readonly attempts: ReadonlyArray<Attempt>
  readonly stored: ReadonlyArray<Stored>
  /** When each life ended, by its number. */
  readonly ends: ReadonlyMap<number, number>
}

export type Kind =
  /** An event never arrived, or nobody took it. */
  | "lost"
  /** An event was sent although one before it had not been taken. */
  | "order"
  /** An event was sent again in the life in which it had been taken. */
  | "again"
  /** After a restart it went back further than to what was taken last, or behind the stored cursor. */
  | "back"
  /** A push holds what is not wanted, or something else than the log. */
  | "wrong"
  /** The same events came under two names, or others under the same name. */
  | "id"
  /** An answer was recorded more than once, in part, not at all, out of order, or without its cause. */
  | "reply"
  /** A stored cursor moved back, or past what was never taken. */
  | "cursor"

export interface Violation {
  readonly kind: Kind
  readonly slug: string
  readonly detail: string
}

export interface Verdict {
  readonly violations: ReadonlyArray<Violation>
  /** Events that arrived, counted once, and how many arrived again. */
  readonly delivered: number
  readonly repeated: number
  readonly replies: number
}

/** How long what was taken may wait to be written down, in milliseconds: on a machine that is busy. */
export const writtenWithin = 2_000

const placeOf = ({ offset, path }: { readonly path: string; readonly offset: number }): string => `${path}@${offset}`

/** Takes time in the order of the number of events in all pushes. */
export const check = (observed: Observed): Verdict => {
  const violations: Array<Violation> = []
  let delivered = 0
  let repeated = 0
  let replies = 0
  for (const subscribed of observed.subscriptions) {
    const { slug } = subscribed
    const report = (kind: Kind, detail: string) => void violations.push({ kind, slug, detail })
    const attempts = observed.attempts.filter((attempt) => attempt.slug === slug)
    const pushed = judgePushes(subscribed, attempts, observed, report)
    delivered += pushed.delivered
    repeated += pushed.repeated
    judgeIds(attempts, report)
    if (subscribed.replies > 0) replies += judgeReplies(subscribed, attempts, observed.log, report)
  }
  return { violations, delivered, repeated, replies }
}

type Report = (kind: Kind, detail: string) => void

/** The push before: where it began, what comes behind it, and whether it was taken. */
interface Previous {
  readonly life: number
  readonly first: number
  readonly next: number
  readonly taken: boolean
}

const judgePushes = (
  { slug, wanted }: Subscribed,
  attempts: ReadonlyArray<Attempt>,
  { ends, stored }: Observed,
  report: Report
): { readonly delivered: number; readonly repeated: number } => {
  const ranks = new Map(wanted.map((event, rank) => [placeOf(event), rank]))
  const cursors = stored.filter((each) => each.slug === slug).sort((a, b) => a.life - b.life)
  /** When each was taken last, and in which life. */
  const takenAt = new Map<number, { readonly at: number; readonly life: number }>()
  /** Behind the last event that was taken. */
  let reached = 0
  let sent = 0
  let previous: Previous | undefined
  let passed = 0
  for (const attempt of attempts) {
    const { events, life, number } = attempt
    // Cursors that were stored before this life.
    while (cursors[0] !== undefined && cursors[0].life < life) {
      const cursor = cursors.shift()
      if (cursor === undefined) break
      if (cursor.passed < passed) {
        report("cursor", `after life ${cursor.life} it had passed ${cursor.passed}, and ${passed} before`)
      }
      if (cursor.passed > reached) report("cursor", `it had passed ${cursor.passed} where ${reached} were taken`)
      passed = cursor.passed
    }
    const [head] = events
    const first = head === undefined ? undefined : ranks.get(placeOf(head))
    if (first === undefined) {
      const begin = head === undefined ? "nothing" : placeOf(head)
      report("wrong", `push ${number} begins with ${begin}, which is not wanted`)
      continue
    }
    sent += events.length
    const wrong = events.findIndex((event, i) => {
      const expected = wanted[first + i]
      return expected === undefined || placeOf(expected) !== placeOf(event) || expected.content !== event.content
    })
    if (wrong >= 0) report("wrong", `push ${number} from ${first} on holds another event at its index ${wrong}`)
    if (first > reached) report("order", `push ${number} begins with ${first} where ${reached} was not taken`)
    if (previous?.life === life) {
      const due = previous.taken ? previous.next : previous.first
      if (first > due) report("order", `push ${number} begins with ${first}, not with ${due}`)
      if (first < due) report("again", `push ${number} begins with ${first}, although it had come to ${due}`)
    } else if (first < reached) {
      const taken = takenAt.get(first)
      // What was taken had the rest of that life to be written down.
      const age = taken === undefined ? 0 : (ends.get(taken.life) ?? Number.POSITIVE_INFINITY) - taken.at
      if (age > writtenWithin) {
        report("back", `push ${number} begins with ${first}, taken ${Math.round(age)} ms before an end`)
      }
      if (first < passed) report("back", `push ${number} begins with ${first}, behind the stored cursor ${passed}`)
    }
    const next = first + events.length
    if (attempt.takenAt !== undefined) {
      for (let rank = first; rank < next; rank++) takenAt.set(rank, { at: attempt.takenAt, life })
      reached = Math.max(reached, next)
    }
    previous = { life, first, next, taken: attempt.takenAt !== undefined }
  }
  const lost = wanted.filter((_, rank) => !takenAt.has(rank))
  if (lost[0] !== undefined) report("lost", `${placeOf(lost[0])} was not taken, and ${lost.length - 1} others`)
  return { delivered: takenAt.size, repeated: sent - takenAt.size }
}

const judgeIds = (attempts: ReadonlyArray<Attempt>, report: Report): void => {
  const byEvents = new Map<string, string>()
  const byId = new Map<string, string>()
  for (const { events, number, webhookId } of attempts) {
    const names = events.map(placeOf).join(" ")
    const id = byEvents.get(names)
    const others = byId.get(webhookId)
    if (webhookId === "") report("id", `push ${number} has no name`)
    if (id !== undefined && id !== webhookId) report("id", `push ${number} is ${webhookId}, and was ${id}`)
    if (others !== undefined && others !== names) report("id", `push ${number} and another one are both ${webhookId}`)
    byEvents.set(names, webhookId)
    byId.set(webhookId, names)
  }
}

const judgeReplies = (
  { replies, wanted }: Subscribed,
  attempts: ReadonlyArray<Attempt>,
  log: ReadonlyArray<Logged>,
  report: Report
): number => {
  const numbers = new Set(attempts.map(({ number }) => number))
  const answers = log.filter((event) => event.answers !== undefined)
  const byEvent = Map.groupBy(answers, ({ answers }) => answers === undefined ? "" : placeOf(answers))
  for (const event of wanted) {
    const place = placeOf(event)
    const recorded = byEvent.get(place) ?? []
    byEvent.delete(place)
    const indexes = recorded.map(({ answers }) => answers?.index ?? -1).sort((a, b) => a - b)
    if (indexes.length !== replies || indexes.some((index, i) => index !== i)) {
      report("reply", `to ${place} the answers ${indexes.join(", ")} of ${replies} were recorded`)
    }
    const from = new Set(recorded.map(({ answers }) => answers?.attempt ?? -1))
    if (from.size > 1) report("reply", `to ${place} answers of pushes ${[...from].join(", ")} were recorded`)
    for (const attempt of from) {
      if (!numbers.has(attempt)) report("reply", `to ${place} there is an answer to push ${attempt}, which never came`)
    }
    for (const { cause, offset, path } of recorded) {
      const isRight = cause !== undefined && placeOf(cause) === place && cause.processor === "subscription"
      if (isRight) continue
      report("reply", `the answer ${placeOf({ path, offset })} to ${place} has the cause ${JSON.stringify(cause)}`)
    }
  }
  for (const place of byEvent.keys()) report("reply", `there is an answer to ${place}, which is not wanted`)
  const ranks = new Map(wanted.map((event, rank) => [placeOf(event), rank]))
  for (const [path, those] of Map.groupBy(answers, ({ path }) => path)) {
    const inOrder = [...those].sort((a, b) => a.offset - b.offset)
      .map(({ answers }) => answers === undefined ? -1 : ranks.get(placeOf(answers)) ?? -1)
    const at = inOrder.findIndex((rank, i) => rank < (inOrder[i - 1] ?? -1))
    if (at >= 0) report("reply", `on ${path} the answer to ${inOrder[at]} comes after that to ${inOrder[at - 1]}`)
  }
  return answers.length
}

/**
 * Writers and tails over HTTP that go on through any fault and keep a history of what they saw. Most appends have an
 * idempotency key and are tried until they are acknowledged; the others are tried once, whatever comes of it.
 */
import { setTimeout as delay } from "node:timers/promises"
import type { Append, Tail } from "./Checker.ts"
import * as Fact from "./Fact.ts"
import * as Follower from "./Follower.ts"
import type { Random } from "./Random.ts"
import * as Traffic from "./Traffic.ts"

/** Bounds of a load: enough to fill groups on a small machine, little enough to be checked at once. */
const writers = 16
const streams = 4
const followers = 6
/** Pause between two attempts with the same key. */
const retryAfter = 20
/** A keyed append that is not acknowledged so long after the load was stopped is given up, its outcome unknown. */
const graceAfterStop = 30_000

export interface Load {
  readonly acknowledged: () => number
  /** Ends the writers, each after its append. */
  readonly finish: () => Promise<ReadonlyArray<Append>>
  /** Ends the tails, once they have seen so many events of each path. */
  readonly tails: (heads: ReadonlyMap<string, number>) => Promise<ReadonlyArray<Tail>>
}

export interface Options {
  readonly port: number
  /** All streams of the load are below this one, which nothing else writes to. */
  readonly prefix: string
  readonly random: Random
}

export const start = ({ port, prefix, random }: Options): Load => {
  const appends: Array<Append> = []
  const paths = Array.from({ length: streams }, (_, i) => `${prefix}/${i}`)
  let acknowledged = 0
  let stopping: number | undefined

  const write = async (name: string, random: Random) => {
    const agent = Traffic.agent()
    for (let n = 0; stopping === undefined; n++) {
      const append = makeAppend(`${name}-${n}`, paths[random.whole(0, streams - 1)] ?? prefix, random)
      const invokedAt = performance.now()
      let ack: Append["ack"]
      do {
        ack = await attempt(append, port, agent)
        if (ack === undefined && append.keyed) await delay(retryAfter)
      } while (ack === undefined && append.keyed && performance.now() < (stopping ?? Infinity) + graceAfterStop)
      acknowledged += ack?.offsets.length ?? 0
      appends.push({ path: append.path, invokedAt, contents: append.events.map(Traffic.contentOf), ack })
      // One that failed at once is not followed by a thousand more while the service is away.
      if (ack === undefined) await delay(retryAfter)
    }
    agent.destroy()
  }
  const running = Array.from({ length: writers }, (_, i) => write(`w${i}`, random.fork()))
  const tails = Array.from({ length: followers }, (_, i) =>
    Follower.start(
      i % 3 === 2
        ? { port, path: prefix, within: true, random: random.fork() }
        : { port, path: paths[i % streams] ?? prefix, within: false, random: random.fork() }
    ))

  return {
    acknowledged: () => acknowledged,
    finish: async () => {
      stopping = performance.now()
      await Promise.all(running)
      return appends
    },
    tails: async (heads) => {
      await Fact.until("the end of every tail", () =>
        tails.every((tail, i) => {
          const wanted = i % 3 === 2
            ? [...heads.values()].reduce((sum, head) => sum + head, 0)
            : heads.get(paths[i % streams] ?? "") ?? 0
          return tail.seen.length >= wanted
        })).catch((cause: unknown) => console.error(cause))
      return Promise.all(tails.map((tail) => tail.stop(true)))
    }
  }
}

interface Made {
  readonly path: string
  readonly events: ReadonlyArray<Traffic.Sent>
  readonly keyed: boolean
  readonly batch: boolean
}

const makeAppend = (name: string, path: string, random: Random): Made => {
  const batch = random.whole(1, 10) === 1
  const keyed = random.whole(1, 4) > 1
  const event = (name: string): Traffic.Sent => ({
    type: "load/written",
    payload: {
      name,
      text: `${random.whole(0, 1e9)} é\u0001"\\ `.repeat(random.whole(1, 20)),
      number: random.whole(-1e9, 1e9) / 7
    },
    ...(random.whole(1, 3) === 1 ? { metadata: { from: name } } : {}),
    ...(keyed ? { idempotencyKey: name } : {})
  })
  const events = batch ? Array.from({ length: random.whole(2, 20) }, (_, i) => event(`${name}.${i}`)) : [event(name)]
  return { path, events, keyed, batch }
}

/** The acknowledgement; none where there is none, for whatever reason that may pass. */
const attempt = async (
  { batch, events, path }: Made,
  port: number,
  agent: ReturnType<typeof Traffic.agent>
): Promise<Append["ack"]> => {
  const asked = {
    port,
    path: `/api/streams${path}`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(batch ? events : events[0]),
    agent
  }
  const answer = await Traffic.ask(asked).catch(() => undefined)
  if (answer === undefined || answer.status === 503) return undefined
  if (answer.status !== 200 && answer.status !== 201) throw new Error(`${answer.status}: ${answer.body}`)
  const recorded: Traffic.Event | ReadonlyArray<Traffic.Event> = JSON.parse(answer.body)
  const lines = ("length" in recorded ? recorded : [recorded]).map(Traffic.recorded)
  // An answer about something else acknowledges nothing at all: no event has offset 0.
  const offsets = events.map((event, i) => lines[i]?.content === Traffic.contentOf(event) ? lines[i]?.offset ?? 0 : 0)
  return { at: performance.now(), offsets }
}

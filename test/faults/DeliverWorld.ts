/**
 * A service that pushes what is appended to it meanwhile, is killed in one phase after the other, and is judged at the
 * end. With two servers on one Postgres the other one takes over, and the killed one becomes the other.
 */
import { setTimeout as delay } from "node:timers/promises"
import * as DeliverChecker from "./DeliverChecker.ts"
import * as DeliverLog from "./DeliverLog.ts"
import type { Phase } from "./DeliverPhases.ts"
import type { DeliverService } from "./DeliverService.ts"
import * as Service from "./DeliverService.ts"
import * as Fact from "./Fact.ts"
import type { Random } from "./Random.ts"
import * as Receiver from "./Receiver.ts"
import * as Traffic from "./Traffic.ts"

const root = "/deliver"
const [a, b, elsewhere] = [`${root}/a`, `${root}/b`, `${root}/replies`]
const asked = "faults/asked"
/** Pushes that must come between two strikes. */
const between = 40
/** Pause of a writer between two appends, and before it tries one again, in milliseconds. */
const pace = 10
/** Without spaces: they part several values. */
const secret = "a-secret-of-the-fault-runs"

interface Configured {
  readonly slug: string
  readonly path: string
  readonly options: Record<string, unknown>
  /** Of the events of its stream, and of those below where it pushes them too. */
  readonly wants: (event: DeliverLog.Stored) => boolean
  readonly replies?: number
}

const isAsked = ({ type }: DeliverLog.Stored): boolean => type === asked
const numberOf = ({ payload }: DeliverLog.Stored): number =>
  typeof payload === "object" && payload !== null && "n" in payload ? Number(payload.n) : Number.NaN

const configured: ReadonlyArray<Configured> = [
  { slug: "plain", path: a, options: {}, wants: ({ type }) => !type.startsWith("subscription/") },
  { slug: "batched", path: a, options: { types: [asked], batch: 10 }, wants: isAsked },
  { slug: "answering", path: a, options: { types: [asked] }, wants: isAsked, replies: Receiver.replies },
  {
    slug: "even",
    path: b,
    options: { types: [asked], filter: "payload.n % 2 = 0" },
    wants: (event) => isAsked(event) && numberOf(event) % 2 === 0
  },
  { slug: "signed", path: b, options: { types: [asked], secret: "faults" }, wants: isAsked },
  { slug: "flaky", path: b, options: { types: [asked], onFailure: { backoff: 20 } }, wants: isAsked },
  {
    slug: "below",
    path: root,
    options: { types: [asked, Receiver.answered], descendants: true },
    wants: ({ type }) => type === asked || type === Receiver.answered
  },
  { slug: "below-batched", path: root, options: { types: [asked], descendants: true, batch: 20 }, wants: isAsked }
]

export interface Outcome extends DeliverChecker.Verdict {
  /** What was wrong beside events: headers, signatures, and complaints in the log. */
  readonly problems: ReadonlyArray<string>
  readonly strikes: number
  /** From each strike to the next push, in milliseconds. */
  readonly recoveries: ReadonlyArray<number>
  readonly pushes: number
}

export interface Options {
  readonly phases: ReadonlyArray<Phase>
  readonly random: Random
  /** Whether another server takes over. */
  readonly standby?: boolean
  readonly progress?: (text: string) => void
}

/** Strikes once in each phase, and judges. */
export const run = async ({ phases, progress = () => {}, random, standby = false }: Options): Promise<Outcome> => {
  let life = 1
  const receiver = await Receiver.make({ life: () => life, secret, elsewhere, random: random.fork() })
  process.env["MILLSTREAM_ALLOW_EGRESS"] = receiver.target
  process.env["MILLSTREAM_SECRET_FAULTS"] = secret
  const first = Service.make()
  const servers: Array<DeliverService> = [first]
  try {
    await first.start()
    if (standby) {
      const second = Service.make(Service.databaseOf(first.dataDir))
      servers.push(second)
      await second.start()
    }
    return await struck({ servers, receiver, phases, random, progress, lives: { now: () => life, next: () => ++life } })
  } catch (cause) {
    throw new Error(`The services said last:\n${servers.map(({ output }) => output()).join("\n--\n")}`, { cause })
  } finally {
    await receiver.close()
    for (const server of servers.reverse()) await server.close()
  }
}

interface Running {
  readonly servers: ReadonlyArray<DeliverService>
  readonly receiver: Receiver.Receiver
  readonly phases: ReadonlyArray<Phase>
  readonly random: Random
  readonly progress: (text: string) => void
  readonly lives: { readonly now: () => number; readonly next: () => number }
}

/** The time in which a server that is dead may still be heard, in milliseconds: its connections that wait. */
const echo = 50

const struck = async ({ lives, phases, progress, random, receiver, servers }: Running): Promise<Outcome> => {
  const [holder] = servers
  if (holder === undefined) throw new Error("no server")
  const { attempts } = receiver
  const ends = new Map<number, number>()
  const stored: Array<DeliverLog.Cursor & { readonly life: number }> = []
  const recoveries: Array<number> = []
  const isAlone = servers.length === 1
  let owner = holder
  let n = 0
  let stopping = false

  const append = async (path: string, type: string, payload: unknown): Promise<void> => {
    const body = JSON.stringify({ type, payload, idempotencyKey: `key-${n++}` })
    const headers = { "content-type": "application/json" }
    for (;;) {
      const { port = () => 0 } = servers.find(({ isUp }) => isUp()) ?? {}
      const { status } = await Traffic.ask({ port: port(), path: `/api/streams${path}`, method: "POST", headers, body })
        .catch(() => ({ status: 0 }))
      if (status === 201 || status === 200) return
      await delay(pace)
    }
  }
  const numbers = new Map<string, number>()
  /** Counted by stream: two that take turns would share out even and odd numbers. */
  const ask = (path: string, more: Record<string, unknown> = {}): Promise<void> => {
    const number = (numbers.get(path) ?? 0) + 1
    numbers.set(path, number)
    return append(path, asked, { n: number, ...more })
  }
  const write = async (path: string): Promise<void> => {
    while (!stopping) {
      await ask(path)
      await delay(pace)
    }
  }
  for (const { options, path, slug } of configured) {
    await append(path, "subscription/configured", { slug, url: receiver.url(slug), startFrom: "start", ...options })
  }
  await append(elsewhere, "faults/begun", {})
  const appending = [write(a), write(b)]

  const grown = (count: number): Promise<void> => {
    const wanted = attempts.length + count
    return Fact.until(`${wanted} pushes`, () => attempts.length >= wanted)
  }
  for (const phase of phases) {
    await grown(phase.early === true ? 0 : between)
    const dying = owner
    let dead = () => {}
    const died = new Promise<void>((resolve) => {
      dead = resolve
    })
    await phase.strike({
      random,
      slugs: ["plain", "batched", "answering", "even", "signed", "below"],
      dataDir: holder.dataDir,
      elsewhere,
      kill: () => {
        dying.kill()
        ends.set(lives.now(), performance.now())
        dead()
      },
      at: async (moment, slug, act) => {
        let come = false
        receiver.strike(moment, slug, () => {
          act()
          come = true
        })
        await Fact.until(`a push to ${slug ?? "anyone"} that is ${moment}`, () => come)
      },
      append: (bytes) => {
        const asking = ask(random.pick([a, b]), { text: "x".repeat(bytes) })
        appending.push(asking)
        return asking
      }
    })
    await died
    const killed = performance.now()
    await dying.ended()
    await delay(echo)
    // With another server at work they are not what the dead one left.
    const cursors = isAlone ? await DeliverLog.cursors(holder.dataDir) : []
    stored.push(...cursors.map((cursor) => ({ ...cursor, life: lives.now() })))
    lives.next()
    const before = attempts.length
    if (isAlone) await dying.start()
    else owner = servers.find((server) => server !== dying) ?? dying
    await Fact.until("a push after the strike", () => attempts.length > before)
    recoveries.push(performance.now() - killed)
    if (!isAlone) await dying.start()
    progress(`${phase.name}: pushes again after ${Math.round(recoveries.at(-1) ?? 0)} ms, ${attempts.length} pushes`)
  }

  await grown(between)
  stopping = true
  await Promise.all(appending)
  receiver.heal()
  const everything = async (): Promise<boolean> => {
    const log = await DeliverLog.read(holder.dataDir, root)
    const taken = Map.groupBy(attempts.filter(({ takenAt }) => takenAt !== undefined), ({ slug }) => slug)
    return subscribedOf(log).every(({ replies, slug, wanted }) => {
      const had = new Set((taken.get(slug) ?? []).flatMap(({ events }) => events.map(placeOf)))
      const answered = log.filter(({ answers }) => answers !== undefined).length
      return (replies === 0 || answered >= replies * wanted.length) && wanted.every((event) => had.has(placeOf(event)))
    })
  }
  // What does not come is told by the checker, with more about it.
  await Fact.until("all events at their receivers", everything).catch(() => undefined)

  const log = await DeliverLog.read(holder.dataDir, root)
  const subscriptions = subscribedOf(log)
  const verdict = DeliverChecker.check({
    log,
    subscriptions,
    attempts,
    ends,
    stored: stored.map(({ life, ...cursor }) => {
      const wanted = subscriptions.find(({ slug }) => slug === cursor.slug)?.wanted ?? []
      return { slug: cursor.slug, life, passed: DeliverLog.passed(cursor, wanted) }
    })
  })
  const problems = [...receiver.problems, ...complaints(log)]
  return { ...verdict, problems, strikes: phases.length, recoveries, pushes: attempts.length }
}

const placeOf = ({ offset, path }: { readonly path: string; readonly offset: number }): string => `${path}@${offset}`

const subscribedOf = (log: ReadonlyArray<DeliverLog.Stored>) =>
  configured.map(({ options, path, replies = 0, slug, wants }) => ({
    slug,
    replies,
    wanted: log.filter((event) =>
      (event.path === path || (options["descendants"] === true && event.path.startsWith(`${path}/`))) && wants(event)
    )
  }))

const spoken = ["subscription/parked", "stream/error-occurred", "processor/parked", "stream/paused"]

/** What the service itself says in the log, and must not; and what it says more than once. */
const complaints = (log: ReadonlyArray<DeliverLog.Stored>): ReadonlyArray<string> => {
  const said = log.filter(({ type }) => spoken.includes(type))
    .map(({ offset, path, payload, type }) => `${path}@${offset} is ${type} ${JSON.stringify(payload)}`)
  const retrying = log.filter(({ type }) => type === "subscription/retrying")
  const keys = retrying.map(({ path, payload }) => {
    const { offset, slug }: { readonly slug: unknown; readonly offset: unknown } = Object(payload)
    return `${path} ${String(slug)} ${String(offset)}`
  })
  const twice = keys.filter((key, i) => keys.indexOf(key) !== i)
  return [...said, ...twice.map((key) => `subscription/retrying came twice for ${key}`)]
}

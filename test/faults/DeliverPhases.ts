/** When the service is killed while it pushes: each phase returns once it is dead. */
import { setTimeout as delay } from "node:timers/promises"
import * as DeliverLog from "./DeliverLog.ts"
import * as Fact from "./Fact.ts"
import type { Random } from "./Random.ts"
import type { Moment } from "./Receiver.ts"

/** What a phase can do. */
export interface Site {
  readonly random: Random
  /** Slugs that one event is pushed to at a time. */
  readonly slugs: readonly [string, ...ReadonlyArray<string>]
  readonly dataDir: string
  /** The stream that the second event of each reply goes to. */
  readonly elsewhere: string
  readonly kill: () => void
  /** Runs `act` at that moment of a push, and returns when it was. */
  readonly at: (moment: Moment, slug: string | undefined, act: () => void) => Promise<void>
  /** Appends one event with a text of so many bytes, however often that takes. */
  readonly append: (bytes: number) => Promise<void>
}

export interface Phase {
  readonly name: string
  /** Strikes as soon as the service is ready again, and not after some pushes. */
  readonly early?: boolean
  readonly strike: (site: Site) => Promise<void>
}

/** Longest times from a moment to a strike, in milliseconds: a cursor is written within them, an answer, anything. */
const written = 200
const recorded = 12
const anyTime = 400
/** A life that is longer than cursors may wait to be written, in milliseconds. */
const longLife = 3_000
/** More than the sockets between the service and the receiver hold once the receiver does not read. */
const longText = 900_000

/** Kills at a moment of a push. */
const at = (moment: Moment): Phase => ({
  name: moment,
  strike: ({ at, kill, random, slugs }) =>
    at(moment, moment === "refused" ? "flaky" : moment === "connected" ? undefined : random.pick(slugs), kill)
})

/** Kills a while after a push to a slug was answered. */
const after = async ({ at, kill, random }: Site, slug: string, most: number): Promise<void> => {
  await at("answered", slug, () => {})
  await delay(random.whole(0, most))
  kill()
}

export const phases: readonly [Phase, ...ReadonlyArray<Phase>] = [
  {
    name: "appended",
    strike: async ({ append, kill }) => {
      await append(10)
      kill()
    }
  },
  at("connected"),
  at("headers"),
  {
    name: "half-body",
    strike: async ({ append, at, kill }) => {
      const struck = at("half-body", undefined, kill)
      // Its push may strike before the append itself is answered, which is tried again once a server is there.
      void append(longText)
      await struck
    }
  },
  at("taken"),
  at("half-answer"),
  at("answered"),
  at("refused"),
  { name: "cursor", strike: (site) => after(site, site.random.pick(site.slugs), written) },
  { name: "recording", strike: (site) => after(site, "answering", recorded) },
  {
    // The events of an answer are with Postgres, which can not commit them before the service is dead.
    name: "committing",
    strike: async ({ dataDir, elsewhere, kill }) => {
      const release = await DeliverLog.hold(dataDir, elsewhere)
      try {
        await Fact.until("a commit that waits", () => DeliverLog.isHeldUp(dataDir))
        kill()
      } finally {
        release()
      }
    }
  },
  {
    name: "long",
    strike: async ({ kill }) => {
      await delay(longLife)
      kill()
    }
  },
  {
    name: "ready",
    early: true,
    strike: async ({ kill, random }) => {
      await delay(random.whole(0, anyTime))
      kill()
    }
  },
  {
    name: "any",
    strike: async ({ kill, random }) => {
      await delay(random.whole(0, anyTime))
      kill()
    }
  }
]

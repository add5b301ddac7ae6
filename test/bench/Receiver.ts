/** Receivers of pushes that run in a process of their own, as the benchmark that started them sees them. */
import * as path from "node:path"
import * as Child from "./Child.ts"
import type { Mode } from "./ReceiverMode.ts"

/** A push that a receiver took. */
export interface Arrival {
  readonly webhookId: string
  readonly slug: string
  /** The numbers of its events, as `Payload.id` writes them. */
  readonly ids: ReadonlyArray<number>
  /** In milliseconds of the machine's monotonic clock. */
  readonly at: number
}

export interface Asked {
  readonly name: string
  readonly mode: Mode
}

export interface Receivers {
  readonly url: (name: string) => string
  /** What `MILLSTREAM_ALLOW_EGRESS` must hold. */
  readonly targets: ReadonlyArray<string>
  readonly behave: (names: ReadonlyArray<string>, mode: Mode) => Promise<void>
  readonly arrivals: () => Promise<ReadonlyMap<string, ReadonlyArray<Arrival>>>
  readonly counts: () => Promise<ReadonlyMap<string, Counts>>
  /** Forgets what arrived. */
  readonly clear: () => Promise<void>
  readonly stop: () => Promise<void>
}

interface Greeting {
  readonly control: number
  readonly ports: Record<string, number>
}

/** How many pushes a receiver took, and how many it did not take. */
interface Counts {
  readonly arrivals: number
  readonly refused: number
}

/** The machine's monotonic clock, in milliseconds. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** Starts them. One that is named `trap` is where redirects lead. */
export const start = async (receivers: ReadonlyArray<Asked>): Promise<Receivers> => {
  const program = path.join(import.meta.dirname, "ReceiverProcess.ts")
  const child = Child.start("receivers", process.execPath, [program, JSON.stringify(receivers)], { tied: true })
  const greeting: Greeting = JSON.parse(await child.greeting)
  const { control, ports } = greeting
  const ask = async <A>(pathAndQuery: string): Promise<A> => {
    const answer = await fetch(`http://127.0.0.1:${control}${pathAndQuery}`)
    const found: A = JSON.parse(await answer.text())
    return found
  }
  return {
    url: (name) => `http://127.0.0.1:${ports[name]}/${name}`,
    targets: Object.values(ports).map((port) => `127.0.0.1:${port}`),
    behave: async (names, mode) => {
      await ask(`/behave?mode=${mode}&${names.map((name) => `name=${name}`).join("&")}`)
    },
    arrivals: async () => new Map(Object.entries(await ask<Record<string, ReadonlyArray<Arrival>>>("/arrivals"))),
    counts: async () => new Map(Object.entries(await ask<Record<string, Counts>>("/counts"))),
    clear: async () => {
      await ask("/clear")
    },
    stop: child.stop
  }
}

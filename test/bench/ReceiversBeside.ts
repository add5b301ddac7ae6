/**
 * How much later healthy receivers hear of an event when bad ones are beside them: the same subscriptions on the same
 * stream, in turns without and with the bad ones. After each turn the bad ones mend their ways and must get, in order,
 * all that they have missed.
 */
import { setTimeout as delay } from "node:timers/promises"
import * as Machine from "./Machine.ts"
import * as Payload from "./Payload.ts"
import type { Arrival, Asked, Receivers } from "./Receiver.ts"
import * as Receiver from "./Receiver.ts"
import { bad } from "./ReceiverMode.ts"
import type { PushingService } from "./ReceiverService.ts"
import { until } from "./ReceiverService.ts"

const path = "/beside"
/** Healthy subscriptions, and bad ones of each kind. */
const healthyCount = 10
const badOfEach = 2
/** Time between two appends in milliseconds: what is measured is a delivery, not a queue. */
const appendEvery = 25
/** Appends before the first that is timed, so that the bad ones are in the middle of it. */
const warmUp = 40
/** How long those that were bad may take to get everything, in seconds: they are in the middle of their backoff. */
const patience = 120

const healthy = Array.from({ length: healthyCount }, (_, i) => `healthy-${i}`)
const names = bad.flatMap((mode) => Array.from({ length: badOfEach }, (_, i) => ({ name: `${mode}-${i}`, mode })))

/** Those that are measured, and those beside them: processes of their own, since the bad ones are busy. */
export const measured: ReadonlyArray<Asked> = healthy.map((name) => ({ name, mode: "healthy" }))
export const besides: ReadonlyArray<Asked> = [{ name: "trap", mode: "healthy" }, ...names]

export interface Both {
  readonly measured: Receivers
  readonly besides: Receivers
}

export interface Turn {
  readonly beside: boolean
  readonly p50: number
  readonly p95: number
  readonly max: number
  readonly deliveries: number
  /** The service's memory after the turn, and the most of it, in megabytes. */
  readonly memory: number
  readonly mostMemory: number
  /** Pushes that the bad ones did not take. */
  readonly refused: number
  /** Until those that were bad had everything, in seconds. */
  readonly mended?: number
  readonly problems: ReadonlyArray<string>
  readonly elsewhere: number | undefined
}

const subscribe = (service: PushingService, receivers: Receivers, names: ReadonlyArray<string>) =>
  service.append(path, names.map((slug) => ({
    type: "subscription/configured",
    payload: { slug, url: receivers.url(slug), types: [Payload.type], startFrom: "end" }
  })))

let next = 0

/** What is wrong with what one receiver took: it must have had each event, and each first in order. */
const problemsOf = (
  name: string,
  arrivals: ReadonlyArray<Arrival>,
  from: number,
  to: number
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const seen = new Map<number, string>()
  let most = from - 1
  for (const { ids, webhookId } of arrivals) {
    for (const id of ids) {
      const known = seen.get(id)
      if (known === undefined && id !== most + 1) problems.push(`${name} had ${id} first after ${most}`)
      if (known !== undefined && known !== webhookId) problems.push(`${name} had ${id} as ${known} and as ${webhookId}`)
      seen.set(id, webhookId)
      most = Math.max(most, id)
    }
  }
  if (most !== to - 1) problems.push(`${name} had ${most} last, not ${to - 1}`)
  return problems
}

const quantile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.floor(sorted.length * part)] ?? Number.NaN

/** Runs one turn: so many deliveries to healthy receivers, with the bad ones beside them or not. */
export const turn = async (
  service: PushingService,
  { besides, measured }: Both,
  { beside, deliveries, first }: { readonly beside: boolean; readonly deliveries: number; readonly first: boolean }
): Promise<Turn> => {
  await Promise.all([measured.clear(), besides.clear()])
  if (first) await subscribe(service, measured, healthy)
  if (beside) {
    await Promise.all(names.map(({ mode, name }) => besides.behave([name], mode)))
    await subscribe(service, besides, names.map(({ name }) => name))
  }
  const watched = Machine.watch()
  const from = next
  const sent = new Map<number, number>()
  let mostMemory = service.memory()
  const appends = warmUp + Math.ceil(deliveries / healthyCount)
  const began = performance.now()
  for (let i = 0; i < appends; i++) {
    await delay(Math.max(0, began + i * appendEvery - performance.now()))
    const id = next++
    sent.set(id, Receiver.now())
    await service.append(path, [{ type: Payload.type, payload: JSON.parse(Payload.payload(id)) }])
    if (i % 20 === 0) mostMemory = Math.max(mostMemory, service.memory())
  }
  const lacking = async (receivers: Receivers, names: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
    const arrivals = await receivers.arrivals()
    return names.filter((name) => arrivals.get(name)?.some(({ ids }) => ids.includes(next - 1)) !== true)
  }
  const everything = async (what: string, receivers: Receivers, names: ReadonlyArray<string>) =>
    until(what, patience, async () => (await lacking(receivers, names)).length === 0, () => lacking(receivers, names))
  await everything("every event at the healthy receivers", measured, healthy)
  const elsewhere = watched()
  const arrivals = await measured.arrivals()
  const times = healthy.flatMap((name) =>
    (arrivals.get(name) ?? []).flatMap(({ at, ids }) =>
      ids.filter((id) => id >= from + warmUp).map((id) => at - (sent.get(id) ?? Number.NaN))
    )
  ).sort((a, b) => a - b)
  const counts = await besides.counts()
  const refused = names.reduce((sum, { name }) => sum + (counts.get(name)?.refused ?? 0), 0)
  const problems = healthy.flatMap((name) => problemsOf(name, arrivals.get(name) ?? [], from, next))
  let mended: number | undefined
  if (beside) {
    const slugs = names.map(({ name }) => name)
    mostMemory = Math.max(mostMemory, service.memory())
    const began = performance.now()
    await besides.behave(slugs, "healthy")
    await everything("every event at those that were bad", besides, slugs)
    mended = (performance.now() - began) / 1_000
    const all = await besides.arrivals()
    problems.push(...slugs.flatMap((name) => problemsOf(name, all.get(name) ?? [], from, next)))
    await service.append(path, slugs.map((slug) => ({ type: "subscription/removed", payload: { slug } })))
  }
  const trapped = (await besides.counts()).get("trap")?.arrivals ?? 0
  if (trapped > 0) problems.push(`${trapped} redirects were followed`)
  return {
    beside,
    p50: quantile(times, 0.5),
    p95: quantile(times, 0.95),
    max: times.at(-1) ?? Number.NaN,
    deliveries: times.length,
    memory: service.memory(),
    mostMemory,
    refused,
    ...(mended === undefined ? {} : { mended }),
    problems,
    elsewhere
  }
}

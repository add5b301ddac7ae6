/** What a hundred subscriptions of one stream make Postgres read, beside what one does. */
import { setTimeout as delay } from "node:timers/promises"
import { Client } from "pg"
import * as Payload from "./Payload.ts"
import * as Receiver from "./Receiver.ts"
import type { ReceiverCount } from "./ReceiverCount.ts"
import * as Rates from "./ReceiverRates.ts"
import type { PushingService } from "./ReceiverService.ts"

/** Events of one push, and of one append while subscriptions follow live. */
const batch = 1_000
const appended = 100
/** A session of Postgres that is idle tells what it has read after 10 s; milliseconds. */
const statisticsDelay = 12_000

export interface Reads {
  readonly subscriptions: number
  /** Rows of the events that Postgres read in addition, while all caught up and while all followed. */
  readonly caughtUp: number
  readonly followed: number
  /** Seconds until all had everything. */
  readonly catchUpSeconds: number
  readonly followSeconds: number
  /** CPU time of the service for each event delivered, in microseconds. */
  readonly catchUpCpu: number
  readonly followCpu: number
}

const rowsRead = async (databaseUrl: string): Promise<number> => {
  await delay(statisticsDelay)
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows: [row] } = await client.query<{ readonly read: string }>(
      `select coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) as read
      from pg_stat_user_tables where schemaname = 'millstream' and relname = 'events'`
    )
    return Number(row?.read ?? Number.NaN)
  } finally {
    await client.end()
  }
}

let streams = 0

/** So many subscriptions of one stream: they catch up on its events, and then follow as many that are appended. */
export const run = async (
  service: PushingService,
  receiver: ReceiverCount,
  databaseUrl: string,
  { events, subscriptions }: { readonly events: number; readonly subscriptions: number }
): Promise<Reads> => {
  const path = `/read/${streams++}`
  await Rates.fill(service, path, events)
  const slugs = Array.from({ length: subscriptions }, (_, i) => `reader-${i}`)
  const filled = await rowsRead(databaseUrl)

  await receiver.begin(events * subscriptions)
  let cpu = service.cpu()
  let began = Receiver.now()
  await service.append(path, slugs.map((slug) => ({
    type: "subscription/configured",
    payload: { slug, url: receiver.url, types: [Payload.type], startFrom: "start", batch }
  })))
  const first = await receiver.counted()
  const catchUpCpu = (service.cpu() - cpu) / first.events
  const afterCatchUp = await rowsRead(databaseUrl)
  const catchUpSeconds = (first.last - began) / 1_000

  await receiver.begin(events * subscriptions)
  cpu = service.cpu()
  began = Receiver.now()
  const some: unknown = JSON.parse(Payload.batch(appended))
  for (let done = 0; done < events; done += appended) await service.append(path, some)
  const second = await receiver.counted()
  const followCpu = (service.cpu() - cpu) / second.events
  const afterFollow = await rowsRead(databaseUrl)
  await service.append(path, slugs.map((slug) => ({ type: "subscription/removed", payload: { slug } })))
  return {
    subscriptions,
    caughtUp: afterCatchUp - filled,
    followed: afterFollow - afterCatchUp,
    catchUpSeconds,
    followSeconds: (second.last - began) / 1_000,
    catchUpCpu,
    followCpu
  }
}

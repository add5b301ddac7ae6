/** What the tables hold of deliveries, beside the service: all events in commit order, and the cursors. */
import type { Client } from "pg"
import type { Logged } from "./DeliverChecker.ts"
import * as PostgresProcesses from "./PostgresProcesses.ts"
import { answered } from "./Receiver.ts"
import * as Traffic from "./Traffic.ts"

/** An event with what a subscription looks at, and its place in commit order. */
export interface Stored extends Logged {
  readonly type: string
  readonly payload: unknown
  readonly tx: bigint
  readonly position: bigint
}

interface Row {
  readonly path: string
  readonly offset: string
  readonly tx: string
  readonly position: string
  readonly type: string
  readonly payload: string
  readonly key: string | null
  readonly cause_path: string | null
  readonly cause_offset: string | null
  readonly cause_processor: string | null
}

interface Reply {
  readonly path: string
  readonly offset: number
  readonly attempt: number
  readonly index: number
}

/** All events of a stream and all below it, in commit order. */
export const read = (dataDir: string, prefix: string): Promise<ReadonlyArray<Stored>> =>
  PostgresProcesses.connected(dataDir, async (client) => {
    const { rows } = await client.query<Row>(
      `select s.path, e."offset", e.tx, e.position, e.type, e.payload, e.idempotency_key as key,
        e.cause_path, e.cause_offset, e.cause_processor
      from millstream.events e join millstream.streams s on s.id = e.stream_id
      where s.path = $1 or s.path like $1 || '/%' order by e.tx, e.position`,
      [prefix]
    )
    return rows.map(({ cause_offset, cause_path, cause_processor, key, offset, path, payload, position, tx, type }) => {
      const event = { type, payload: JSON.parse(payload), ...(key === null ? {} : { idempotencyKey: key }) }
      const reply: Reply | undefined = type === answered ? event.payload : undefined
      return {
        path,
        offset: Number(offset),
        content: Traffic.contentOf(event),
        type,
        payload: event.payload,
        tx: BigInt(tx),
        position: BigInt(position),
        ...(cause_path === null
          ? {}
          : { cause: { path: cause_path, offset: Number(cause_offset), processor: cause_processor } }),
        ...(reply === undefined ? {} : { answers: reply })
      }
    })
  })

/** How far a subscription has come: behind an offset of its stream, or behind a place in commit order. */
export interface Cursor {
  readonly slug: string
  readonly at: number | { readonly tx: bigint; readonly position: bigint }
}

interface CursorRow {
  readonly name: string
  readonly value: string
}

/** Nothing that a dead service has begun is under way any more. */
const untilQuiet = async (client: Client): Promise<void> => {
  for (;;) {
    const { rows } = await client.query(
      `select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
      and state <> 'idle'`
    )
    if (rows.length === 0) return
  }
}

/** The stored cursors of all subscriptions, once a service that was killed has left nothing under way. */
export const cursors = (dataDir: string): Promise<ReadonlyArray<Cursor>> =>
  PostgresProcesses.connected(dataDir, async (client) => {
    await untilQuiet(client)
    const { rows } = await client.query<CursorRow>(
      `select name, value from millstream.fiber_cursors where processor = 'subscription'`
    )
    return rows.map(({ name, value }) => {
      const [, slug]: readonly [string, string] = JSON.parse(name)
      const { at }: { readonly at: number | string } = JSON.parse(value)
      if (typeof at === "number") return { slug, at }
      const [tx = "0", position = "0"] = at.split("/")
      return { slug, at: { tx: BigInt(tx), position: BigInt(position) } }
    })
  })

/** How many of the events that a subscription wants, in its order, a cursor has passed. */
export const passed = ({ at }: Cursor, wanted: ReadonlyArray<Stored>): number =>
  wanted.filter(({ offset, position, tx }) =>
    typeof at === "number" ? offset <= at : tx < at.tx || (tx === at.tx && position <= at.position)
  ).length

/** Holds the row of a stream, so that no commit to it comes through, until the returned function is called. */
export const hold = async (dataDir: string, path: string): Promise<() => void> => {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  await new Promise<void>((resolve, reject) => {
    PostgresProcesses.connected(dataDir, async (client) => {
      await client.query("begin")
      await client.query("select 1 from millstream.streams where path = $1 for update", [path])
      resolve()
      await released
      await client.query("rollback")
    }).catch(reject)
  })
  return release
}

/** Whether a commit waits for a lock. */
export const isHeldUp = (dataDir: string): Promise<boolean> =>
  PostgresProcesses.connected(dataDir, async (client) => {
    const { rows } = await client.query("select 1 from pg_stat_activity where wait_event_type = 'Lock'")
    return rows.length > 0
  })

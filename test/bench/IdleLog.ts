/** A log of many streams on which a processor has done everything and nothing happens, made by SQL in seconds. */
import { Client } from "pg"
import * as Connection from "./Connection.ts"
import type { Target } from "./Dialect.ts"
import * as Dialect from "./Dialect.ts"
import * as Payload from "./Payload.ts"
import * as StreamReader from "./StreamReader.ts"

/** The parent of all the streams, which are named by numbers from 0. */
export const parent = "/idle"

/** Events of each stream behind `initialized`. */
const each = 2

/** Fills a database that a service with this processor has made and left, as the processor would have left it. */
export const fill = async (databaseUrl: string, processor: string, streams: number): Promise<void> => {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query("begin")
    await client.query(
      `insert into millstream.streams (path, parent, head, tx, state, created_at, updated_at)
       select $1 || '/' || n, $1, $2, l.tx_base + pg_current_xact_id()::text::bigint, $4, now(), now()
       from generate_series(0, $3::int - 1) n, millstream.log l`,
      [parent, each + 1, streams, await stateOf(client)]
    )
    await client.query(
      `insert into millstream.events (stream_id, "offset", position, tx, type, payload, created_at)
       select s.id, o, (nextval('millstream.positions') << 20) + o, s.tx,
         case when o = 1 then 'stream/initialized' else $1 end, case when o = 1 then '{}' else $2 end, now()
       from millstream.streams s, generate_series(1, $3::int) o where s.parent = $4`,
      [Payload.type, Payload.payload(0), each + 1, parent]
    )
    await client.query(
      `insert into millstream.instances
         (stream_id, processor, path, version, "offset", noted, hooks_after, state, fibers)
       select s.id, $1, s.path, 1, s.head, s.head, 0, '{"count":' || $2::int || '}', '[]'
       from millstream.streams s where s.parent = $3`,
      [processor, each, parent]
    )
    await client.query(
      `update millstream.processors set tx = (select max(tx) from millstream.events), position = 9223372036854775807
       where name = $1`,
      [processor]
    )
    await client.query("commit")
    await client.query("vacuum analyze")
  } finally {
    await client.end()
  }
}

/** The state that streams have which nobody has configured; an append left it. */
const stateOf = async (client: Client): Promise<string> => {
  const { rows } = await client.query<{ readonly state: string }>("select state from millstream.streams limit 1")
  const [first] = rows
  if (first === undefined) throw new Error("there is no stream to take the state of")
  return first.state
}

/** Appends an event to a stream, and returns once its answer is on a tail. */
export const answer = async (target: Target, path: string, type: string): Promise<void> => {
  const dialect = Dialect.of(target)
  let arrived = () => {}
  const answered = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const marker = Payload.id(0)
  const reader = await StreamReader.openAfter(target, dialect.tail(path, type), "caught-up", marker, () => arrived())
  const connection = await Connection.open(target)
  await connection.request(dialect.append(path, Payload.event(0)))
  await answered
  reader.close()
  connection.close()
}

/**
 * The load generator: runs the one job that its argument holds, prints what it found as a line of JSON, and ends. It
 * drives each connection in a closed loop, so a latency that it reports does not include waiting to be sent.
 */
import * as fs from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import * as Connection from "./Connection.ts"
import * as Dialect from "./Dialect.ts"
import type { Found, Job } from "./Job.ts"
import { warmUp } from "./Job.ts"
import * as Payload from "./Payload.ts"
import * as StreamReader from "./StreamReader.ts"

const { target, job }: { readonly target: Dialect.Target; readonly job: Job } = JSON.parse(process.argv[2] ?? "")
const dialect = Dialect.of(target)

/** CPU time of the server's process so far, in microseconds; Linux counts it in hundredths of a second. */
const cpuTime = (): number | undefined => {
  const file = `/proc/${target.pid}/stat`
  if (!fs.existsSync(file)) return undefined
  const text = fs.readFileSync(file, "utf8")
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Opens a window on something that is counted; calling the result closes it and tells the rate and its cost. */
const observe = (count: () => number): () => Found => {
  const [before, cpu, began] = [count(), cpuTime(), performance.now()]
  return () => {
    const [grown, spent, seconds] = [count() - before, cpuTime(), (performance.now() - began) / 1_000]
    return {
      rate: grown / seconds,
      ...(cpu === undefined || spent === undefined || grown === 0 ? {} : { cpu: (spent - cpu) / grown })
    }
  }
}

const percentiles = (times: Array<number>): Pick<Found, "p50" | "p99"> => {
  times.sort((a, b) => a - b)
  const p50 = times[Math.floor(times.length * 0.5)]
  const p99 = times[Math.floor(times.length * 0.99)]
  return { ...(p50 === undefined ? {} : { p50 }), ...(p99 === undefined ? {} : { p99 }) }
}

/** Repeats an action on each of some connections, warms up, then measures for some seconds what `units` each counts. */
const closedLoop = async <A>(
  workers: ReadonlyArray<A>,
  units: number,
  seconds: number,
  action: (worker: A, done: () => void) => void
): Promise<Found> => {
  let count = 0
  let running = true
  let times: Array<number> = []
  const loops = workers.map((worker) =>
    new Promise<void>((resolve) => {
      const next = () => {
        if (!running) return resolve()
        const sent = performance.now()
        action(worker, () => {
          count += units
          times.push(performance.now() - sent)
          next()
        })
      }
      next()
    })
  )
  await delay(warmUp * 1_000)
  times = []
  const close = observe(() => count)
  await delay(seconds * 1_000)
  const found = close()
  running = false
  const measured = percentiles([...times])
  await Promise.all(loops)
  return { ...found, ...measured }
}

/** Makes a stream, where the protocol has a request for it. */
const create = async (connection: Connection.Connection, path: string): Promise<void> => {
  const request = dialect.create(path)
  if (request !== undefined) await connection.request(request)
}

const append = async (job: Extract<Job, { readonly kind: "append" }>): Promise<Found> => {
  const connections = await Connection.openMany(target, job.connections)
  const body = job.batch === 1 ? Payload.event(0) : Payload.batch(job.batch)
  const paths = Array.from({ length: job.streams }, (_, i) => `${job.path}/${i}`)
  const [first] = connections
  if (first !== undefined) for (const path of paths) await create(first, path)
  const workers = connections.map((connection, i) => ({
    connection,
    request: dialect.append(paths[i % paths.length] ?? job.path, body)
  }))
  return closedLoop(workers, job.batch, job.seconds, ({ connection, request }, done) => connection.send(request, done))
}

/** The one stream of a job, made by a first append, so that a tail can begin at its end. */
const begun = async (path: string): Promise<Connection.Connection> => {
  const connection = await Connection.open(target)
  await create(connection, path)
  await connection.request(dialect.append(path, Payload.event(0)))
  return connection
}

const latency = async (job: Extract<Job, { readonly kind: "latency" }>): Promise<Found> => {
  const connection = await begun(job.path)
  let arrived = () => {}
  const tail = dialect.tail(job.path, job.answer)
  const reader = await StreamReader.openAfter(target, tail, "caught-up", Payload.marker, () => arrived())
  let id = 0
  return closedLoop([connection], 1, job.seconds, (worker, done) => {
    id += 1
    let waiting = 2
    const half = () => {
      waiting -= 1
      if (waiting === 0) next()
    }
    // The next is sent when both the reply and the tail have it, but the time ends with the tail.
    const next = () => done()
    arrived = half
    reader.watch(Payload.id(id))
    worker.send(dialect.append(job.path, Payload.event(id)), half)
  })
}

/** How many appends may be on their way to the tails: enough to keep a server busy, 25 KB for each tail. */
const fanOutWindow = 64
const fanOutConnections = 16

const fanOut = async (job: Extract<Job, { readonly kind: "fanOut" }>): Promise<Found> => {
  const idle = [await begun(job.path), ...await Connection.openMany(target, fanOutConnections - 1)]
  let sent = 0
  let delivered = 0
  let running = true
  const request = dialect.append(job.path, Payload.event(1))
  const pump = () => {
    while (running && sent * job.tails - delivered < fanOutWindow * job.tails) {
      const connection = idle.pop()
      if (connection === undefined) return
      sent += 1
      connection.send(request, () => {
        idle.push(connection)
        pump()
      })
    }
  }
  const grew = (count: number) => {
    delivered += count
    pump()
  }
  const tail = dialect.tail(job.path)
  for (let opened = 0; opened < job.tails; opened += 100) {
    const some = Array.from({ length: Math.min(100, job.tails - opened) })
    await Promise.all(some.map(() => StreamReader.openAfter(target, tail, "caught-up", Payload.marker, grew)))
  }
  pump()
  await delay(warmUp * 1_000)
  const close = observe(() => delivered)
  await delay(job.seconds * 1_000)
  const found = close()
  running = false
  // A tail that lost or doubled an event shows here: what is under way arrives, and then the sum is exact.
  const deadline = performance.now() + 10_000
  const isUnderWay = () => idle.length < fanOutConnections || delivered < sent * job.tails
  while (isUnderWay() && performance.now() < deadline) await delay(10)
  if (delivered !== sent * job.tails) {
    throw new Error(`${sent} events to ${job.tails} tails were ${delivered} deliveries`)
  }
  return found
}

/** Events of one request of a fill: the most that one may have. */
const fillBatch = 1_000

const fill = async (job: Extract<Job, { readonly kind: "fill" }>): Promise<Found> => {
  const connection = await Connection.open(target)
  await create(connection, job.path)
  let count = 0
  const close = observe(() => count)
  const full = dialect.append(job.path, Payload.batch(fillBatch))
  while (count < job.events) {
    const size = Math.min(fillBatch, job.events - count)
    await connection.request(size === fillBatch ? full : dialect.append(job.path, Payload.batch(size)))
    count += size
  }
  return close()
}

const streams = async (job: Extract<Job, { readonly kind: "streams" }>): Promise<Found> => {
  const connections = await Connection.openMany(target, 64)
  let count = 0
  let next = job.from
  const close = observe(() => count)
  await Promise.all(connections.map(async (connection) => {
    while (next < job.to) {
      const path = `${job.path}/${next}`
      next += 1
      await create(connection, path)
      await connection.request(dialect.append(path, Payload.event(0)))
      count += 1
    }
  }))
  return close()
}

const catchUp = async (job: Extract<Job, { readonly kind: "catchUp" }>): Promise<Found> => {
  const request = dialect.catchUp(job.path, job.format)
  const read = () => StreamReader.readUntil(target, request, Payload.marker, job.events)
  await read()
  let count = 0
  const close = observe(() => count)
  const end = performance.now() + job.seconds * 1_000
  while (performance.now() < end) {
    await read()
    count += job.events
  }
  return close()
}

const get = async (job: Extract<Job, { readonly kind: "get" }>): Promise<Found> => {
  const connection = await Connection.open(target)
  const request = dialect.get(job.url)
  return closedLoop([connection], 1, job.seconds, (worker, done) => worker.send(request, done))
}

const run = (): Promise<Found> => {
  switch (job.kind) {
    case "append":
      return append(job)
    case "latency":
      return latency(job)
    case "fanOut":
      return fanOut(job)
    case "fill":
      return fill(job)
    case "streams":
      return streams(job)
    case "catchUp":
      return catchUp(job)
    case "get":
      return get(job)
  }
}

process.stdin.once("end", () => process.exit(1)).resume()
console.log(JSON.stringify(await run()))
// Its sockets are still open: ending the process is how they close.
process.exit(0)

/**
 * How fast a subscription pushes: in batches beside the rate at which a tail catches up on the same stream, and one by
 * one beside a bare client that sends the same requests to the same receiver.
 */
import * as path from "node:path"
import * as Child from "./Child.ts"
import * as Job from "./Job.ts"
import * as Machine from "./Machine.ts"
import * as Payload from "./Payload.ts"
import type { Counted, ReceiverCount } from "./ReceiverCount.ts"
import * as Receiver from "./Receiver.ts"
import type { PushingService } from "./ReceiverService.ts"

export interface Pushed {
  /** Events a second from when the subscription is configured to the last event, and from the first push on. */
  readonly whole: number
  readonly steady: number
  readonly requests: number
  /** CPU time of the service for each event, in microseconds. */
  readonly cpu: number
  readonly head: string
  readonly elsewhere: number | undefined
}

let slugs = 0

/** Pushes a stream from its start to the receiver, with a new subscription that is removed afterwards. */
export const push = async (
  service: PushingService,
  receiver: ReceiverCount,
  stream: string,
  { batch, events }: { readonly batch: number; readonly events: number }
): Promise<Pushed> => {
  const slug = `pushed-${slugs++}`
  const payload = {
    slug,
    url: receiver.url,
    types: [Payload.type],
    startFrom: "start",
    ...(batch === 1 ? {} : { batch })
  }
  await receiver.begin(events)
  const watched = Machine.watch()
  const cpu = service.cpu()
  const began = Receiver.now()
  await service.append(stream, [{ type: "subscription/configured", payload }])
  const counted: Counted = await receiver.counted()
  const spent = service.cpu() - cpu
  const elsewhere = watched()
  await service.append(stream, [{ type: "subscription/removed", payload: { slug } }])
  if (counted.events !== events) throw new Error(`${counted.events} events came where ${events} were waited for`)
  const { first, head, last, requests } = counted
  return {
    whole: events / (last - began) * 1_000,
    steady: events / (last - first) * 1_000,
    requests,
    cpu: spent / events,
    head,
    elsewhere
  }
}

/** Headers that belong to the connection, or differ from push to push. */
const ours = ["host", "connection", "content-length", "transfer-encoding"]

const headersOf = (head: string): Record<string, string> =>
  Object.fromEntries(
    head.split("\r\n").slice(1)
      .map((line): [string, string] => {
        const colon = line.indexOf(":")
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      })
      .filter(([name]) => !ours.includes(name))
  )

export interface Looped {
  readonly rate: number
  readonly elsewhere: number | undefined
}

/** Sends the events of a stream with a bare client, with the headers of a push as it arrived. */
export const loop = async (
  service: PushingService,
  receiver: ReceiverCount,
  stream: string,
  head: string
): Promise<Looped> => {
  const program = path.join(import.meta.dirname, "ReceiverLoop.ts")
  const types = encodeURIComponent(Payload.type)
  const source = `${service.url}/api/streams${stream}?live=false&format=ndjson&types=${types}`
  const job = { url: receiver.url, headers: headersOf(head), source }
  const watched = Machine.watch()
  const child = Child.start("loop", process.execPath, [program, JSON.stringify(job)], { tied: true })
  const { rate }: { readonly rate: number } = JSON.parse(await child.greeting)
  await child.ended
  return { rate, elsewhere: watched() }
}

/** Appends the bench's usual events, in order. */
export const fill = (service: PushingService, stream: string, events: number): Promise<Job.Found> =>
  Job.run(service, { kind: "fill", path: stream, events })

/** How fast a tail catches up, in events a second. */
export const catchUp = (
  service: PushingService,
  stream: string,
  format: "ndjson" | "sse",
  events: number,
  seconds: number
): Promise<Job.Found> => Job.run(service, { kind: "catchUp", path: stream, events, format, seconds })

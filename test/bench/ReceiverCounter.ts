/**
 * The lightest receiver: a raw socket server in a process of its own that answers every push with 200 and counts the
 * events in it, without parsing any. It understands `content-length` only, and pipelining not at all. A control port
 * answers once so many events have come since it was asked to begin.
 */
import * as http from "node:http"
import * as net from "node:net"
import type { Counted } from "./ReceiverCount.ts"
import * as Payload from "./Payload.ts"
import { listen } from "./ReceiverPort.ts"

const taken = Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
const marker = Buffer.from(Payload.marker)
const border = marker.length - 1

const now = (): number => Number(process.hrtime.bigint()) / 1e6

let events = 0
let requests = 0
let first = 0
let last = 0
let head = ""
let wanted = Number.POSITIVE_INFINITY
let reached = () => {}

const grew = (count: number): void => {
  requests += 1
  events += count
  last = now()
  if (events >= wanted) reached()
}

const occurrences = (chunk: Buffer): number => {
  let count = 0
  for (let at = chunk.indexOf(marker); at >= 0; at = chunk.indexOf(marker, at + marker.length)) count++
  return count
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let pending = ""
  let remaining = 0
  let count = 0
  let rest = ""
  const body = (chunk: Buffer): void => {
    if (rest !== "" && (rest + chunk.toString("latin1", 0, border)).includes(Payload.marker)) count++
    count += occurrences(chunk)
    rest = (chunk.length < border ? rest : "") + chunk.toString("latin1", Math.max(0, chunk.length - border))
    if (rest.length > border) rest = rest.slice(-border)
    remaining -= chunk.length
    if (remaining > 0) return
    socket.write(taken)
    grew(count)
    count = 0
    rest = ""
  }
  socket.on("data", (chunk) => {
    if (remaining > 0) return body(chunk)
    const text = pending + chunk.toString("latin1")
    const split = text.indexOf("\r\n\r\n")
    if (split < 0) {
      pending = text
      return
    }
    if (requests === 0) {
      first = now()
      head = text.slice(0, split)
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, split))?.[1]
    if (length === undefined) throw new Error(`a push without a content-length:\n${text.slice(0, split)}`)
    remaining = Number(length)
    // The head is ASCII, so that what follows in this chunk begins that many bytes after what was pending.
    const begins = split + 4 - pending.length
    pending = ""
    body(chunk.subarray(begins))
  })
  socket.on("error", () => undefined)
})

const begin = (count: number): Promise<Counted> => {
  events = 0
  requests = 0
  wanted = count
  return new Promise((resolve) => {
    reached = () => {
      wanted = Number.POSITIVE_INFINITY
      resolve({ events, requests, first, last, head })
    }
  })
}

let counting: Promise<Counted> | undefined
const control = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://control")
  if (pathname === "/begin") {
    counting = begin(Number(searchParams.get("count")))
    response.writeHead(204).end()
    return
  }
  if (pathname === "/so-far") {
    response.end(JSON.stringify({ events, requests, first, last, head }))
    return
  }
  void counting?.then((counted) => response.end(JSON.stringify(counted)))
})

process.stdin.once("end", () => process.exit(0)).resume()
console.log(JSON.stringify({ port: await listen(server), control: await listen(control) }))

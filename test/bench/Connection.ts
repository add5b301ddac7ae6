/**
 * A keep-alive HTTP/1.1 connection on a raw socket, one request at a time, at the least cost to the machine it shares
 * with the server. It looks at the status, `content-length` and the end of a chunked body, and at nothing else; a body
 * in chunks must be JSON, which never holds the carriage returns that end it.
 */
import * as net from "node:net"
import type { Target } from "./Dialect.ts"

/** Sockets are read one after the other and never keep what they read, so all share 64 KiB. */
export const received = Buffer.allocUnsafe(64 * 1024)

const chunkedEnd = "\r\n0\r\n\r\n"

export interface Connection {
  /** Sends a request; `done` runs when its response is complete. A status other than 2xx ends the process loudly. */
  readonly send: (request: Uint8Array, done: () => void) => void
  /** The same as a promise. */
  readonly request: (request: Uint8Array) => Promise<void>
  readonly close: () => void
}

/** A socket that hands on how many bytes are now in `received`. An error on it ends the process loudly. */
export const socket = (target: Target, take: (size: number) => void): Promise<net.Socket> =>
  new Promise((resolve, reject) => {
    const opened = net.connect({
      host: target.host,
      port: target.port,
      noDelay: true,
      onread: {
        buffer: received,
        callback: (size) => {
          take(size)
          return true
        }
      }
    })
    opened.once("error", reject)
    opened.once("connect", () => resolve(opened))
  })

/** Opens a connection. */
export const open = async (target: Target): Promise<Connection> => {
  let done: (() => void) | undefined
  let head = ""
  let reading = false
  let remaining = 0
  let chunked = false
  let end = ""

  const finish = () => {
    const answered = done
    done = undefined
    head = ""
    reading = false
    answered?.()
  }
  const takeHead = (size: number) => {
    head += received.toString("latin1", 0, size)
    const split = head.indexOf("\r\n\r\n")
    if (split < 0) return
    const status = head.slice(9, 12)
    if (!status.startsWith("2")) throw new Error(`an unexpected response:\n${head.slice(0, 2_000)}`)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, split))?.[1]
    chunked = length === undefined && status !== "204"
    remaining = Number(length ?? 0) - (head.length - split - 4)
    end = head.slice(-chunkedEnd.length)
    reading = true
    if (chunked ? end === chunkedEnd : remaining <= 0) finish()
  }
  const takeBody = (size: number) => {
    const last = received.toString("latin1", Math.max(0, size - chunkedEnd.length), size)
    if (chunked) end = (end + last).slice(-chunkedEnd.length)
    else remaining -= size
    if (chunked ? end === chunkedEnd : remaining <= 0) finish()
  }

  const opened = await socket(target, (size) => reading ? takeBody(size) : takeHead(size))
  let closing = false
  opened.on("close", () => {
    if (!closing) throw new Error(`the server closed a connection${done === undefined ? "" : " before it answered"}`)
  })
  const send = (request: Uint8Array, answered: () => void) => {
    done = answered
    opened.write(request)
  }
  return {
    send,
    request: (request) => new Promise((resolve) => send(request, resolve)),
    close: () => {
      closing = true
      opened.destroy()
    }
  }
}

/** Opens many connections. */
export const openMany = (target: Target, count: number): Promise<ReadonlyArray<Connection>> =>
  Promise.all(Array.from({ length: count }, () => open(target)))

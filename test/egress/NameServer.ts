/** A name server on loopback that answers as a test says, and knows what it was asked. */
import { Deferred, Effect } from "effect"
import type { RemoteInfo } from "node:dgram"
import { createSocket } from "node:dgram"

/** Addresses, a name of what went wrong, or nothing at all. */
export type Answer = ReadonlyArray<string> | "unknown" | "broken" | "silent"

const codes = { broken: 2, unknown: 3 } as const
const headerBytes = 12
const ipv4 = 1

/** The 4 or 16 bytes of an address. */
const bytesOf = (address: string): Buffer => {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number))
  const { hostname } = new URL(`http://[${address}]`)
  const [before = "", after = ""] = hostname.slice(1, -1).split("::")
  const groups = (text: string) => text === "" ? [] : text.split(":")
  const zeros = Array.from({ length: 8 - groups(before).length - groups(after).length }, () => "0")
  const all = hostname.includes("::") ? [...groups(before), ...zeros, ...groups(after)] : groups(before)
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}

const question = (query: Buffer) => {
  const labels: Array<string> = []
  let at = headerBytes
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length))
    at += length + 1
  }
  const type = query.readUInt16BE(at + 1)
  return { name: labels.join("."), family: type === ipv4 ? 4 : 6, end: at + 5 } as const
}

const answered = (query: Buffer, end: number, found: Exclude<Answer, "silent">): Buffer => {
  const head = Buffer.from(query.subarray(0, end))
  const addresses = typeof found === "string" ? [] : found
  head.writeUInt16BE(0x8180 | (typeof found === "string" ? codes[found] : 0), 2)
  head.writeUInt16BE(addresses.length, 6)
  head.writeUInt16BE(0, 8)
  head.writeUInt16BE(0, 10)
  const records = addresses.map((address) => {
    const bytes = bytesOf(address)
    // Of the name in the question, for a second.
    return Buffer.concat([
      Buffer.from([0xc0, headerBytes, 0, bytes.length === 4 ? ipv4 : 28, 0, 1, 0, 0, 0, 1, 0, bytes.length]),
      bytes
    ])
  })
  return Buffer.concat([head, ...records])
}

/** Listens on a free port of 127.0.0.1 until the scope closes. */
export const make = Effect.fnUntraced(function*(answer: (name: string, family: 4 | 6) => Answer) {
  const asked: Array<string> = []
  const waiting: Array<{ readonly count: number; readonly done: Deferred.Deferred<void> }> = []
  const socket = createSocket("udp4")
  socket.on("message", (query: Buffer, from: RemoteInfo) => {
    const { end, family, name } = question(query)
    asked.push(`${name} ${family}`)
    for (const { count, done } of waiting) if (asked.length >= count) Deferred.doneUnsafe(done, Effect.void)
    const found = answer(name, family)
    if (found !== "silent") socket.send(answered(query, end, found), from.port, from.address)
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void socket.bind(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  )
  return {
    server: `127.0.0.1:${socket.address().port}`,
    /** The name and the family of each question. */
    asked,
    arrived: (count: number) =>
      Effect.suspend(() => {
        if (asked.length >= count) return Effect.void
        const done = Deferred.makeUnsafe<void>()
        waiting.push({ count, done })
        return Deferred.await(done)
      })
  }
})

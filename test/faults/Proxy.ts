/**
 * A TCP proxy before Postgres that understands where a call begins and ends, so that a connection can break at the
 * very point a test asks for. Known limits: no TLS; a call is everything up to its Sync, or one simple query.
 */
import type { AddressInfo, Socket } from "node:net"
import { createConnection, createServer } from "node:net"

/** `pass`; `refuse`: every connection breaks; `blackhole`: nothing arrives any more, in either direction. */
export type Mode = "pass" | "refuse" | "blackhole"

/** Where a connection breaks: before Postgres has the call, or after it has answered it, with the answer lost. */
export type Cut = "before" | "after"

export interface Held {
  /** The call is here, and has not been passed on. */
  readonly reached: Promise<void>
  readonly release: () => void
}

export interface Proxy {
  readonly port: number
  /** Connections that lost bytes in a black hole stay dead after it. */
  readonly set: (mode: Mode) => void
  /** Cuts the connection of the next call whose statement or parameters hold the text; resolves when it is cut. */
  readonly cut: (text: string, where: Cut) => Promise<void>
  /** Holds the next such call back until it is released. */
  readonly hold: (text: string) => Held
  readonly close: () => Promise<void>
}

interface Trap {
  readonly text: string
  readonly fate: Cut | "hold"
  readonly sprung: () => void
  readonly released: Promise<void>
}

/** Listens on a free port of 127.0.0.1. */
export const start = async (target: { readonly host: string; readonly port: number }): Promise<Proxy> => {
  const sessions = new Set<Session>()
  const traps = new Set<Trap>()
  let mode: Mode = "pass"
  const server = createServer((client) => {
    if (mode === "refuse") return void client.destroy()
    const session = new Session(client, createConnection(target), traps, mode === "blackhole")
    sessions.add(session)
    client.once("close", () => sessions.delete(session))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    port: (server.address() as AddressInfo).port,
    set: (next) => {
      mode = next
      for (const session of sessions) {
        if (mode === "refuse") session.destroy()
        if (mode === "blackhole") session.swallow()
      }
    },
    cut: (text, fate) =>
      new Promise((sprung) => traps.add({ text, fate, sprung, released: Promise.resolve() })),
    hold: (text) => {
      const reached = Promise.withResolvers<void>()
      const released = Promise.withResolvers<void>()
      traps.add({ text, fate: "hold", sprung: reached.resolve, released: released.promise })
      return { reached: reached.promise, release: released.resolve }
    },
    close: () => {
      for (const session of sessions) session.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    }
  }
}

/** One connection, both ways. */
class Session {
  private readonly client: Socket
  private readonly server: Socket
  private readonly traps: Set<Trap>
  private readonly toServer = new Messages(false)
  private readonly toClient = new Messages(true)
  /** Texts of prepared statements, by name. */
  private readonly statements = new Map<string, string>()
  private call: Array<Buffer> = []
  private texts: Array<string> = []
  /** Answers that are still to come, and whether the last of them is to be lost, with the connection. */
  private awaited = 0
  private losing: Trap | undefined
  private dead: boolean

  constructor(client: Socket, server: Socket, traps: Set<Trap>, dead: boolean) {
    this.client = client
    this.server = server
    this.traps = traps
    this.dead = dead
    for (const socket of [client, server]) {
      // What a socket has to say about its end, its close says too.
      socket.on("error", () => this.destroy())
      socket.on("close", () => this.destroy())
      socket.setNoDelay(true)
    }
    client.on("data", (chunk: Buffer) => {
      if (!this.dead) void this.forward(this.toServer.take(chunk))
    })
    server.on("data", (chunk: Buffer) => {
      if (!this.dead) this.answer(this.toClient.take(chunk))
    })
  }

  destroy(): void {
    this.client.destroy()
    this.server.destroy()
  }

  /** Nothing passes any more, and nobody is told. */
  swallow(): void {
    this.dead = true
  }

  private async forward(messages: ReadonlyArray<Buffer>): Promise<void> {
    for (const message of messages) {
      this.call.push(message)
      this.texts.push(this.textOf(message))
      const type = String.fromCharCode(message[0] ?? 0)
      if ("PBDECH".includes(type)) continue
      const call = Buffer.concat(this.call)
      const text = this.texts.join("\n")
      this.call = []
      this.texts = []
      const trap = [...this.traps].find((each) => text.includes(each.text))
      if (trap !== undefined) this.traps.delete(trap)
      if (trap?.fate === "before") {
        this.destroy()
        return trap.sprung()
      }
      if (trap?.fate === "hold") {
        this.client.pause()
        trap.sprung()
        await trap.released
        this.client.resume()
      }
      if (type === "S" || type === "Q") this.awaited += 1
      if (trap?.fate === "after") this.losing = trap
      this.server.write(call)
    }
  }

  private answer(messages: ReadonlyArray<Buffer>): void {
    for (const message of messages) {
      const isReady = message[0] === "Z".charCodeAt(0)
      if (isReady && this.awaited > 0) this.awaited -= 1
      if (this.losing === undefined) this.client.write(message)
      else if (isReady && this.awaited === 0) {
        this.destroy()
        return this.losing.sprung()
      }
    }
  }

  /** What a trap may look for: the statement, and the bytes of the parameters. */
  private textOf(message: Buffer): string {
    const body = message.subarray(5)
    const text = body.toString("latin1")
    switch (String.fromCharCode(message[0] ?? 0)) {
      case "P": {
        const [name = "", statement = ""] = text.split("\0")
        this.statements.set(name, statement)
        return statement
      }
      case "B": {
        const name = text.split("\0")[1] ?? ""
        return `${this.statements.get(name) ?? ""}\n${body.toString()}`
      }
      default:
        return body.toString()
    }
  }
}

/** Cuts bytes into messages. What a client sends first has no type. */
class Messages {
  private rest = Buffer.alloc(0)
  private typed: boolean

  constructor(typed: boolean) {
    this.typed = typed
  }

  take(chunk: Buffer): ReadonlyArray<Buffer> {
    this.rest = Buffer.concat([this.rest, chunk])
    const messages: Array<Buffer> = []
    for (;;) {
      const at = this.typed ? 1 : 0
      if (this.rest.length < at + 4) return messages
      const size = at + this.rest.readInt32BE(at)
      if (this.rest.length < size) return messages
      messages.push(this.rest.subarray(0, size))
      this.rest = this.rest.subarray(size)
      this.typed = true
    }
  }
}

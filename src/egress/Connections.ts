/**
 * Connections by origin, each with one request at a time: who finds none idle opens one, so that a receiver that
 * hangs holds up nobody else. Idle ones are bounded in number and time; those in use by who asks for them.
 */
import type { Socket } from "node:net"
import { Client } from "undici"
import type { World } from "./Connector.ts"
import * as Connector from "./Connector.ts"
import type { Destination } from "./Destination.ts"

/** Idle connections kept: to one origin, as many as a few subscriptions use by turns; and in all, so also origins. */
const maxIdlePerOrigin = 16
const maxIdle = 256

/** Idle time in milliseconds: below the 5 seconds of Node's server, which are the shortest in wide use. */
const idleMillis = 4_000
/** Idle time in milliseconds where the receiver says that it waits longer, and how much earlier than it we stop. */
const maxIdleMillis = 30_000
const earlierMillis = 2_000

/** All headers of an answer together, in bytes: Node's own bound. */
const maxHeaderBytes = 16_384

export interface Connection {
  readonly client: Client
  readonly origin: string
  /** Closes the socket, also one that is still connecting. */
  readonly destroy: (reason: Error) => void
}

export interface Connections {
  /** An idle one or a new one. Nobody else gets it before it is given back. */
  readonly take: (destination: Destination) => Connection
  /** Back to the others, once its exchange is complete. */
  readonly release: (connection: Connection) => void
  readonly discard: (connection: Connection, reason: Error) => void
  readonly discardAll: (reason: Error) => void
}

export const make = (world: World): Connections => {
  const all = new Set<Connection>()
  // In the order in which they became idle.
  const idle = new Set<Connection>()
  const idleByOrigin = new Map<string, Array<Connection>>()

  const leaveIdle = (connection: Connection): void => {
    if (!idle.delete(connection)) return
    const others = idleByOrigin.get(connection.origin)?.filter((other) => other !== connection) ?? []
    if (others.length === 0) idleByOrigin.delete(connection.origin)
    else idleByOrigin.set(connection.origin, others)
  }

  const discard = (connection: Connection, reason: Error): void => {
    leaveIdle(connection)
    all.delete(connection)
    connection.destroy(reason)
  }

  const open = (destination: Destination): Connection => {
    let socket: Socket | undefined
    const client = new Client(destination.origin, {
      connect: (_, callback) => {
        socket = Connector.connect(destination, world, callback)
      },
      allowH2: false,
      pipelining: 1,
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: idleMillis,
      keepAliveMaxTimeout: maxIdleMillis,
      keepAliveTimeoutThreshold: earlierMillis,
      // The exchange has a time limit as a whole.
      headersTimeout: 0,
      bodyTimeout: 0
    })
    const connection: Connection = {
      client,
      origin: destination.origin,
      destroy: (reason) => {
        client.destroy(reason, () => {})
        socket?.destroy(reason)
      }
    }
    client.on("disconnect", () => {
      if (idle.has(connection)) discard(connection, new Error("The receiver closed the connection"))
    })
    all.add(connection)
    return connection
  }

  return {
    take: (destination) => {
      const connection = idleByOrigin.get(destination.origin)?.at(-1)
      if (connection === undefined) return open(destination)
      leaveIdle(connection)
      return connection
    },
    release: (connection) => {
      if (!all.has(connection)) return
      const others = idleByOrigin.get(connection.origin) ?? []
      if (others.length >= maxIdlePerOrigin) return discard(connection, new Error("Enough connections are idle"))
      idle.add(connection)
      idleByOrigin.set(connection.origin, [...others, connection])
      const [oldest] = idle
      if (idle.size > maxIdle && oldest !== undefined) discard(oldest, new Error("Enough connections are idle"))
    },
    discard,
    discardAll: (reason) => {
      for (const connection of all) discard(connection, reason)
    }
  }
}

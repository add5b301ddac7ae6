/**
 * Opens connections to judged addresses only: the one lookup of a connection is judged as a whole, and what it gave is
 * what is connected to, so that a name cannot lead elsewhere between the judgement and the connection. Resolves as
 * the system does, in its thread pool: a slow name server delays the other lookups of the process.
 */
import { Data } from "effect"
import type { LookupAddress } from "node:dns"
import { lookup } from "node:dns"
import type { LookupFunction, Socket } from "node:net"
import { connect as connectTcp, isIP } from "node:net"
import { connect as connectTls } from "node:tls"
import type { buildConnector } from "undici"
import type { Reach } from "./Address.ts"
import type { Destination } from "./Destination.ts"
import { judgeAddress } from "./Destination.ts"

/** How long one of several addresses is tried before the next, in milliseconds: longer than a way round the world. */
const attemptMillis = 1_000

/** An address behind the name must not be connected to. */
export class Forbidden extends Data.TaggedError("Forbidden")<{ readonly message: string }> {}

/** All addresses of a name. An error without one is passed as it is. */
export type Resolve = (
  name: string,
  answer: (error: Error | null, addresses: ReadonlyArray<LookupAddress>) => void
) => void

/** As the system resolves names, its file of hosts included. */
export const resolveBySystem: Resolve = (name, answer) => lookup(name, { all: true, order: "verbatim" }, answer)

/** Where the world ends for a test: how names resolve, and which addresses count as public. */
export interface World {
  readonly resolve: Resolve
  readonly reach: (address: string) => Reach
}

const judged = (destination: Destination, { reach, resolve }: World): LookupFunction => (name, options, answer) =>
  resolve(name, (error, addresses) => {
    if (error !== null) return answer(error, [])
    const [first] = addresses
    if (first === undefined) return answer(new Error(`${name} has no address`), [])
    for (const { address } of addresses) {
      const message = judgeAddress(address, destination, reach)
      if (message !== undefined) return answer(new Forbidden({ message }), [])
    }
    return options.all === true ? answer(null, [...addresses]) : answer(null, first.address, first.family)
  })

/** Begins to connect, and calls back once. Destroying the socket with an error ends it at any time. */
export const connect = (destination: Destination, world: World, callback: buildConnector.Callback): Socket => {
  const { host, port, secure } = destination
  const options = {
    host,
    port,
    // Not asked for a literal address, which was judged with the URL.
    lookup: judged(destination, world),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptMillis,
    noDelay: true
  }
  const socket = secure
    ? connectTls({ ...options, ALPNProtocols: ["http/1.1"], ...(isIP(host) === 0 ? { servername: host } : {}) })
    : connectTcp(options)
  let called = false
  const once: buildConnector.Callback = (...result) => {
    if (called) return
    called = true
    callback(...result)
  }
  socket.once(secure ? "secureConnect" : "connect", () => once(null, socket))
  // Stays for the life of the socket: undici listens too, but only once it has it.
  socket.on("error", (error) => once(error, null))
  return socket
}

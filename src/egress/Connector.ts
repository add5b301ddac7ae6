/**
 * Opens connections to judged addresses only: the one lookup of a connection is judged as a whole, and what it gave is
 * what is connected to, so that a name cannot lead elsewhere between the judgement and the connection.
 */
import { Data } from "effect"
import type { LookupFunction, Socket } from "node:net"
import { connect as connectTcp, isIP } from "node:net"
import { connect as connectTls } from "node:tls"
import type { buildConnector } from "undici"
import type { Reach } from "./Address.ts"
import type { Destination } from "./Destination.ts"
import { judgeAddress } from "./Destination.ts"
import type { Resolve } from "./Names.ts"

/** How long one of several addresses is tried before the next, in milliseconds: longer than a way round the world. */
const attemptMillis = 1_000

/** An address behind the name must not be connected to. */
export class Forbidden extends Data.TaggedError("Forbidden")<{ readonly message: string }> {}

/** Where the world ends for a test: how names resolve, and which addresses count as public. */
export interface World {
  readonly resolve: Resolve
  readonly reach: (address: string) => Reach
  /** Whose signature makes a certificate good, as PEM; those that Node.js trusts if it is undefined. */
  readonly authority: string | undefined
}

const judged = (
  destination: Destination,
  { reach, resolve }: World,
  begun: (stop: () => void) => void
): LookupFunction => (name, options, answer) =>
  begun(resolve(destination, (error, addresses) => {
    if (error !== null) return answer(error, [])
    const [first] = addresses
    if (first === undefined) return answer(new Error(`${name} has no address`), [])
    for (const { address } of addresses) {
      const message = judgeAddress(address, destination, reach)
      if (message !== undefined) return answer(new Forbidden({ message }), [])
    }
    return options.all === true ? answer(null, [...addresses]) : answer(null, first.address, first.family)
  }))

/** Begins to connect, and calls back once. Destroying the socket with an error ends it at any time. */
export const connect = (destination: Destination, world: World, callback: buildConnector.Callback): Socket => {
  const { host, port, secure } = destination
  let stopLookup = (): void => {}
  const options = {
    host,
    port,
    // Not asked for a literal address, which was judged with the URL.
    lookup: judged(destination, world, (stop) => {
      stopLookup = stop
    }),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptMillis,
    noDelay: true
  }
  const servername = isIP(host) === 0 ? { servername: host } : {}
  const socket = secure
    ? connectTls({ ...options, ...servername, ca: world.authority, ALPNProtocols: ["http/1.1"] })
    : connectTcp(options)
  socket.once("close", () => stopLookup())
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

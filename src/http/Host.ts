/**
 * The names under which a server may be reached. A page whose name was pointed at this machine (DNS rebinding) sends
 * that name as the host, so it is refused; ports are not compared, since tunnels and containers change them.
 */
import { isIP } from "node:net"
import { Forbidden } from "../domain/StreamError.ts"

const loopback = /^(?:localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[?::1\]?|\[?::ffff:127\.[0-9.]+\]?)$/i
const wildcard = new Set(["0.0.0.0", "::", "[::]", ""])

/** Whether a name or address is of this machine alone. */
export const isLoopback = (host: string): boolean => loopback.test(host)

/** `[::1]:4000` without its port, in lower case. */
const nameOf = (host: string): string => host.replace(/:[0-9]*$/, "").toLowerCase()
const withBrackets = (host: string): string => isIP(host) === 6 ? `[${host}]` : host

/** Judges the header `Host`: why it is refused, or `undefined`. */
export const make = (terms: { readonly host: string; readonly allowedHosts: ReadonlyArray<string> }) => {
  const bound = withBrackets(terms.host.toLowerCase())
  const allowed = new Set(terms.allowedHosts)
  // A name can be pointed anywhere, an address cannot; a server on all addresses cannot know its own.
  const isOwnAddress = (name: string): boolean => wildcard.has(terms.host) && isIP(name.replace(/^\[|\]$/g, "")) > 0
  const isAccepted = (host: string): boolean => {
    const name = nameOf(host)
    return isLoopback(name) || name === bound || isOwnAddress(name) ||
      allowed.has(name) || allowed.has(host.toLowerCase())
  }
  // Nearly all requests name the same host.
  let last: string | undefined
  return (host: string | undefined): Forbidden | undefined => {
    if (host !== undefined && host === last) return undefined
    if (host === undefined || !isAccepted(host)) {
      return new Forbidden({
        reason: `This server is not reached as ${JSON.stringify((host ?? "").slice(0, 128))}. ` +
          "MILLSTREAM_ALLOWED_HOSTS names the hosts beside its own"
      })
    }
    last = host
    return undefined
  }
}

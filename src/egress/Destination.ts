/**
 * Whether a URL may be sent to, as far as that can be told without resolving its name. Addresses behind a name are
 * judged when it is connected to. A host counts in the spelling that the WHATWG parser makes of it.
 */
import { isIP } from "node:net"
import * as Address from "./Address.ts"

/** Targets that an operator allows, as `hostPort` writes them. */
export type Allowed = ReadonlySet<string>

export interface Destination {
  /** Scheme, host and port: what a connection belongs to. */
  readonly origin: string
  readonly secure: boolean
  /** A name or an address, without brackets and without the dot at the end. */
  readonly host: string
  readonly port: number
  /** Whether an operator named it, so that it may lead to a loopback or private address. */
  readonly allowed: boolean
  /** What an operator would write to allow it. */
  readonly allowance: string
  /** With the query; a fragment is never sent. */
  readonly path: string
}

/** Below, ports belong to other protocols of the system; above, to anybody. */
const firstFreePort = 1_024
const webPorts = [80, 443]

const hostOf = (url: URL): string => url.hostname.replace(/\.$/, "")
const portOf = (url: URL): number => url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)

/** `host:port` in the spelling that URLs are compared in; undefined where it is none. */
const hostPort = (entry: string): string | undefined => {
  const url = URL.parse(`http://${entry}`)
  return url === null ? undefined : `${hostOf(url)}:${portOf(url)}`
}

/** Of a list of `host:port`. An entry that is none allows nothing. */
export const allowed = (entries: ReadonlyArray<string>): Allowed =>
  new Set(entries.map(hostPort).filter((entry) => entry !== undefined))

/** Each is a target of its own, which is easily taken for a bug. */
const thisMachine = ["localhost", "127.0.0.1", "[::1]"]

/** What `MILLSTREAM_ALLOW_EGRESS` says where a target is allowed beside those of this machine that are already. */
const allowanceOf = (target: string, port: number, allowed: Allowed): string =>
  [...thisMachine.map((host) => `${host}:${port}`).filter((other) => allowed.has(other)), target].join(",")

/** What an operator can do about a target of their own. */
const advice = (says: string, allowance: string): string =>
  `${says}. If it is a receiver of yours, allow it with MILLSTREAM_ALLOW_EGRESS=${allowance}` +
  (allowance.includes(",") ? ", since each spelling is a target of its own" : "")

/** Why an address must not be connected to, or undefined. `host` is what the URL says, if that is a name. */
export const judgeAddress = (
  address: string,
  destination: Pick<Destination, "host" | "allowed" | "allowance">,
  reach: (address: string) => Address.Reach = Address.reach
): string | undefined => {
  const { kind, range } = reach(address)
  // An operator who writes an address means it; one who writes a name does not mean whatever it may come to resolve to.
  if (kind === "public" || (destination.allowed && (kind === "internal" || address === destination.host))) {
    return undefined
  }
  const { allowance, host } = destination
  // Not which address: who may name a URL need not learn the names of the network.
  const says = address === host
    ? `${host} is not a public address (${range})`
    : `${host} resolves to an address that is not public (${range})`
  return kind === "internal" ? advice(says, allowance) : `${says}; use a receiver on the internet`
}

/** The URL taken apart, or why it is never sent to. */
export const judge = (text: string, allowed: Allowed): Destination | string => {
  const url = URL.parse(text)
  if (url === null) return "This is no URL"
  if (url.protocol !== "http:" && url.protocol !== "https:") return "Only http and https URLs are sent to"
  if (url.username !== "" || url.password !== "") {
    return "The URL must not carry a user name or password; send credentials in a header"
  }
  const secure = url.protocol === "https:"
  const hostname = hostOf(url)
  const port = portOf(url)
  const target = `${hostname}:${port}`
  const isAllowed = allowed.has(target)
  if (port === 0 || (!isAllowed && port < firstFreePort && !webPorts.includes(port))) {
    return `Port ${port} is not sent to; use 80, 443 or one from ${firstFreePort} up`
  }
  const destination = {
    origin: `${url.protocol}//${target}`,
    secure,
    host: hostname.replace(/^\[|\]$/g, ""),
    port,
    allowed: isAllowed,
    allowance: allowanceOf(target, port, allowed),
    path: url.pathname + url.search
  }
  const { allowance, host } = destination
  if (isIP(host) !== 0) return judgeAddress(host, destination) ?? destination
  // Names of this machine by definition, whatever a resolver says.
  return !isAllowed && /(^|\.)localhost\.*$/.test(host) ? advice(`${host} is this machine`, allowance) : destination
}

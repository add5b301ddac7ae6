/**
 * Where an IP address leads: to the public internet or elsewhere. Knows the ranges that are special today; one that is
 * assigned later inside 2000::/3 or the unicast space of IPv4 counts as public until the table of `ipaddr.js` has it.
 */
import ipaddr from "ipaddr.js"
import { isIP } from "node:net"

export interface Reach {
  /**
   * `public`: a host on the internet. `internal`: this machine or a private network, which an operator may allow by
   * name. `special`: anything else, among it the metadata services of clouds.
   */
  readonly kind: "public" | "internal" | "special"
  /** The range in words, for the sentence that refuses it. */
  readonly range: string
}

const internal: { readonly [range: string]: string } = {
  loopback: "loopback",
  private: "private",
  uniqueLocal: "private",
  carrierGradeNat: "carrier-grade NAT"
}

/** All of IPv6 that is handed out to hosts. */
const globalUnicast: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3]

const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

/** Of an address as a resolver or a parsed URL writes it, without brackets. */
export const reach = (address: string): Reach => {
  // Other spellings than a resolver's are for the parser of URLs. A zone names an interface of this machine.
  if (isIP(address) === 0 || address.includes("%")) return { kind: "special", range: "unreadable" }
  const parsed = ipaddr.parse(address)
  const range = parsed.range()
  const known = internal[range]
  if (known !== undefined) return { kind: "internal", range: known }
  if (range !== "unicast") return { kind: "special", range: words(range) }
  // The table lists exceptions, so that what lies outside of the assigned space has to be asked for.
  return parsed.kind() === "ipv4" || parsed.match(globalUnicast)
    ? { kind: "public", range }
    : { kind: "special", range: "unassigned" }
}

/**
 * Addresses of names: of the file of hosts, else of DNS. Names are not resolved as the system does it, in its thread
 * pool, since a few whose servers are silent would hold up all others of the process. Known limits: what only the
 * system knows (mDNS, search domains, modules of nsswitch) counts for targets that an operator allows, one name at a
 * time in the pool; it leads to private addresses, which are refused to others anyway. Nothing is remembered: a
 * connection is used many times, each new one is judged by a lookup of its own, and name servers have caches.
 */
import type { LookupAddress } from "node:dns"
import { lookup, Resolver } from "node:dns"
import * as HostsFile from "./HostsFile.ts"

/** How long a name server may take in milliseconds, before the next one or the same is asked for twice as long. */
const tryMillis = 1_000
const tries = 3
/** Of a lookup as a whole in milliseconds, so that most of a request's time is left for the receiver. */
const lookupMillis = 5_000
/** For the other family in milliseconds, once one has addresses: some name servers never answer for IPv6. */
const laggardMillis = 500

/** Called once, unless the lookup is given up before. */
export type Answer = (error: Error | null, addresses: ReadonlyArray<LookupAddress>) => void

/** All addresses of a name; returns what gives the lookup up. `allowed` says that an operator named the target. */
export type Resolve = (target: { readonly host: string; readonly allowed: boolean }, answer: Answer) => () => void

/** Where a test has them elsewhere. */
export interface Options {
  /** As `setServers` of `node:dns` takes them; those of the system if left out. */
  readonly servers?: ReadonlyArray<string>
  readonly hostsFile?: string
}

/** Of DNS, where the name or the kind of address is not there. */
const absent = new Set<string | undefined>(["EBADNAME", "ENODATA", "ENOTFOUND"])

/** IPv4 comes first: many machines have it alone, and some an IPv6 that leads nowhere; the other way round is rare. */
const byDns = (name: string, servers: Options["servers"], answer: Answer): () => void => {
  // One for each name: it can be cancelled alone, and asks the name servers that the system has now.
  const resolver = new Resolver({ timeout: tryMillis, tries })
  if (servers !== undefined) resolver.setServers(servers)
  const addresses: Array<LookupAddress> = []
  let pending = 2
  let trouble: string | undefined
  let over = false

  const stop = (): void => {
    over = true
    clearTimeout(alarm)
    resolver.cancel()
  }
  const conclude = (): void => {
    stop()
    if (addresses.length > 0) return answer(null, addresses.sort((a, b) => a.family - b.family))
    const message = trouble === undefined
      ? `${name} has no address in DNS, nor in the hosts file`
      : `${name} cannot be resolved now: its name servers do not answer (${trouble})`
    answer(new Error(message), [])
  }
  const take = (family: 4 | 6) => (error: NodeJS.ErrnoException | null, found: ReadonlyArray<string> = []): void => {
    if (over) return
    pending -= 1
    for (const address of found) addresses.push({ address, family })
    if (error !== null && !absent.has(error.code)) trouble = error.code
    if (pending === 0) return conclude()
    if (addresses.length === 0) return
    clearTimeout(alarm)
    alarm = setTimeout(conclude, laggardMillis)
  }
  let alarm = setTimeout(() => {
    trouble = "ETIMEOUT"
    conclude()
  }, lookupMillis)
  resolver.resolve4(name, take(4))
  resolver.resolve6(name, take(6))
  return stop
}

/** Whoever asks for a name that is being looked up waits with the others; the last one who leaves gives it up. */
const shared = (lookUp: (name: string, answer: Answer) => () => void) => {
  const underWay = new Map<string, { readonly waiting: Set<Answer>; readonly stop: () => void }>()
  return (name: string, answer: Answer): () => void => {
    let known = underWay.get(name)
    if (known === undefined) {
      const waiting = new Set<Answer>()
      const stop = lookUp(name, (error, addresses) => {
        underWay.delete(name)
        // Each that is told may make another leave.
        for (const each of waiting) each(error, addresses)
      })
      known = { waiting, stop }
      underWay.set(name, known)
    }
    const { stop, waiting } = known
    // The same function may ask twice.
    const each: Answer = (error, addresses) => answer(error, addresses)
    waiting.add(each)
    return () => {
      if (!waiting.delete(each) || waiting.size > 0 || underWay.get(name)?.waiting !== waiting) return
      underWay.delete(name)
      stop()
    }
  }
}

/** One at a time, so that the other threads are left to whoever else resolves, among them connections to Postgres. */
const bySystem = () => {
  let turn: Promise<void> = Promise.resolve()
  return (name: string, answer: Answer): () => void => {
    let wanted = true
    turn = turn.then(() =>
      wanted
        ? new Promise((done) =>
          lookup(name, { all: true, order: "verbatim" }, (error, addresses) => {
            done()
            if (wanted) answer(error, addresses)
          })
        )
        : undefined
    )
    return () => {
      wanted = false
    }
  }
}

const loopback: ReadonlyArray<LookupAddress> = [{ address: "127.0.0.1", family: 4 }, { address: "::1", family: 6 }]

export const make = (options: Options = {}): Resolve => {
  const hosts = HostsFile.make(options.hostsFile ?? HostsFile.path)
  const ask = shared((name, answer) => byDns(name, options.servers, answer))
  const askSystem = shared(bySystem())
  return ({ allowed, host }, answer) => {
    // Names of this machine are by definition, and no question for a name server.
    const known = hosts(host) ?? (/(^|\.)localhost$/.test(host) ? loopback : undefined)
    if (known !== undefined) {
      answer(null, known)
      return () => {}
    }
    let stop = ask(host, (error, addresses) => {
      if (error === null || !allowed) return answer(error, addresses)
      stop = askSystem(host, (failed, found) => failed === null ? answer(null, found) : answer(error, []))
    })
    return () => stop()
  }
}

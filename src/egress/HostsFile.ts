/**
 * What the machine's file of hosts says of names. Read again when it has changed, by calls that take microseconds: the
 * thread pool may be busy with names that do not resolve. As for the system, one that cannot be read says nothing.
 */
import type { LookupAddress } from "node:dns"
import { readFileSync, statSync } from "node:fs"
import { isIP } from "node:net"
import { join } from "node:path"

/** Where the system keeps it. */
export const path = process.platform === "win32"
  ? join(process.env["SystemRoot"] ?? "C:\\Windows", "System32", "drivers", "etc", "hosts")
  : "/etc/hosts"

type Hosts = ReadonlyMap<string, ReadonlyArray<LookupAddress>>

/** By name in lower case. Addresses of a zone are left out: they lead nowhere without its interface. */
export const parse = (text: string): Hosts => {
  const hosts = new Map<string, Array<LookupAddress>>()
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/)
    const family = isIP(address)
    if (family === 0 || address.includes("%")) continue
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, "")
      const known = hosts.get(key)
      if (known === undefined) hosts.set(key, [{ address, family }])
      else known.push({ address, family })
    }
  }
  return hosts
}

/** Looks a name up in the file as it is now. */
export const make = (path: string): (name: string) => ReadonlyArray<LookupAddress> | undefined => {
  let seen = ""
  let hosts: Hosts = new Map()
  return (name) => {
    try {
      const { ino, mtimeMs, size } = statSync(path)
      const found = `${ino} ${mtimeMs} ${size}`
      if (found !== seen) {
        hosts = parse(readFileSync(path, "utf8"))
        seen = found
      }
    } catch {
      // There is none, or it may not be read: then the name servers are all there is, as for the system itself.
      hosts = new Map()
      seen = ""
    }
    return hosts.get(name)
  }
}

/**
 * What else the machine was doing: the CPU time that was not spent by the benchmark and its children. It sees neither
 * interrupts nor a disk that something else keeps busy, and nothing at all where there is no `/proc`.
 */
import * as fs from "node:fs"
import * as os from "node:os"

/** From this share of the machine's CPU time on, what else ran has disturbed a measurement. */
export const disturbance = 0.1

interface Spent {
  readonly at: number
  /** Hundredths of a second of all cores since boot: by everything, and by this process and its descendants. */
  readonly all: number
  readonly ours: number
}

/** The fields of a process that come after its name, which may hold anything: the second is its parent. */
const fieldsOf = (pid: string): ReadonlyArray<string> => {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    return text.slice(text.lastIndexOf(")") + 2).split(" ")
  } catch {
    // It ended in between; its parent has its time.
    return []
  }
}

const sum = (values: ReadonlyArray<string | number | undefined>): number =>
  values.reduce((total: number, value) => total + Number(value ?? 0), 0)

const spent = (): Spent | undefined => {
  if (!fs.existsSync("/proc/stat")) return undefined
  const [, user, nice, system, , , , , steal] = fs.readFileSync("/proc/stat", "utf8").split(/\s+/, 9)
  const pids = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  const fields = new Map(pids.map((pid) => [pid, fieldsOf(pid)]))
  const childrenOf = Map.groupBy(pids, (pid) => fields.get(pid)?.[1])
  // Own time and that of children that have ended, in user and in kernel mode.
  const timeOf = (pid: string): number => {
    const own = (fields.get(pid) ?? []).slice(11, 15)
    return sum(own) + sum((childrenOf.get(pid) ?? []).map(timeOf))
  }
  return { at: performance.now(), all: sum([user, nice, system, steal]), ours: timeOf(String(process.pid)) }
}

/** Starts to watch; the result tells which share of the machine's CPU time has gone elsewhere since then. */
export const watch = (): () => number | undefined => {
  const before = spent()
  return () => {
    const after = spent()
    if (before === undefined || after === undefined) return undefined
    const elsewhere = after.all - before.all - (after.ours - before.ours)
    return Math.max(0, elsewhere / ((after.at - before.at) / 10) / os.availableParallelism())
  }
}

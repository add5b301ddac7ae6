/** What a benchmark found, as text. Ratios are computed in each round, between measurements that ran side by side. */
import type { Found } from "./Job.ts"
import * as Machine from "./Machine.ts"
import type { Scenario } from "./Scenario.ts"
import type { Name } from "./Server.ts"

/** What each server reached in each round; a round that was interrupted lacks some. */
export type Rounds = ReadonlyArray<ReadonlyMap<Name, Found>>

/** The middle of some numbers, the mean of the two in the middle where their count is even. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  const upper = sorted[Math.floor(half)] ?? Number.NaN
  return Number.isInteger(half) ? ((sorted[half - 1] ?? Number.NaN) + upper) / 2 : upper
}

/** A number with as many digits as it has meaning. */
export const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3)

/** The median and the range of some numbers. */
export const range = (values: ReadonlyArray<number>, format: (value: number) => string = number): string =>
  values.length === 0 ? "" : `${format(median(values))} (${format(Math.min(...values))}–${format(Math.max(...values))})`

const present = (values: ReadonlyArray<number | undefined>): ReadonlyArray<number> =>
  values.filter((value) => value !== undefined)

/** Lines of cells, with columns as wide as they need. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths: Array<number> = []
  for (const row of rows) row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length))
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd()).join("\n")
}

const isDisturbed = (found: Found): boolean => (found.elsewhere ?? 0) >= Machine.disturbance

/** The rounds in which nothing else kept the machine busy; all of them where there is no such round. */
const calm = (rounds: Rounds): Rounds => {
  const undisturbed = rounds.filter((round) => ![...round.values()].some(isDisturbed))
  return undisturbed.length === 0 ? rounds : undisturbed
}

const ratioCells = (scenario: Scenario, rounds: Rounds): ReadonlyArray<string> => {
  const ratios = present(rounds.map((round) => {
    const product = round.get("product")?.[scenario.figure]
    const proto = round.get("proto")?.[scenario.figure]
    return product === undefined || proto === undefined ? undefined : product / proto
  }))
  if (ratios.length === 0) return []
  const isMet = scenario.figure === "rate" ? median(ratios) >= scenario.bar : median(ratios) <= scenario.bar
  const bar = `${scenario.figure === "rate" ? "≥" : "≤"} ${scenario.bar.toFixed(1)}`
  return [range(ratios, (ratio) => ratio.toFixed(2)), bar, isMet ? "met" : "not met"]
}

/** A remark on a measurement that something else on the machine has disturbed, nothing otherwise. */
export const disturbed = (found: Found): string =>
  isDisturbed(found) ? ` (disturbed: ${Math.round((found.elsewhere ?? 0) * 100)} % of the CPU time went elsewhere)` : ""

/** One measurement as a short line, for the progress that is shown while a benchmark runs. */
export const line = (scenario: Scenario, found: Found): string => {
  const time = (value: number | undefined) => value === undefined ? "" : `, p50 ${number(value)} p99 `
  const times = `${time(found.p50)}${found.p99 === undefined ? "" : `${number(found.p99)} ms`}`
  const main = scenario.figure === "rate" ? `${number(found.rate)} ${scenario.unit}${times}` : times.slice(2)
  const cpu = found.cpu === undefined ? "" : `, ${number(found.cpu)} µs CPU`
  return main + cpu + disturbed(found)
}

/** All that was measured: a line for each server, the ratio and its bar beside the product. */
export const report = (measured: ReadonlyMap<Scenario, Rounds>): string => {
  const head = ["measurement", "unit", "server", "median (range)", "p99 ms", "CPU µs", "product / proto", "bar", ""]
  const rows: Array<ReadonlyArray<string>> = [head]
  let all = 0
  let noisy = 0
  for (const [scenario, allRounds] of measured) {
    const rounds = calm(allRounds)
    all += allRounds.length
    noisy += allRounds.filter((round) => [...round.values()].some(isDisturbed)).length
    let title = [scenario.title, scenario.unit]
    for (const server of scenario.servers) {
      const found = rounds.map((round) => round.get(server)).filter((one) => one !== undefined)
      if (found.length === 0) continue
      const p99 = present(found.map((one) => one.p99))
      const cpu = present(found.map((one) => one.cpu))
      rows.push([
        ...title,
        server,
        range(present(found.map((one) => one[scenario.figure]))),
        p99.length === 0 ? "" : number(median(p99)),
        cpu.length === 0 ? "" : number(median(cpu)),
        ...(server === "product" ? ratioCells(scenario, rounds) : [])
      ])
      title = ["", ""]
    }
  }
  const note = `\n\n${noisy} of ${all} rounds were disturbed by something else on this machine. They are left out `
    + "where calm ones remain; more and shorter rounds help: --rounds 7 --seconds 2"
  return table(rows) + (noisy === 0 ? "" : note)
}

/** Random numbers from a seed, so that a run can be had again; what the machine does meanwhile is not in the seed. */

export interface Random {
  /** A whole number from `least` to `most`, both included. */
  readonly whole: (least: number, most: number) => number
  readonly pick: <A>(from: readonly [A, ...ReadonlyArray<A>]) => A
  /** An independent one, for a writer of its own. */
  readonly fork: () => Random
}

/** The generator known as mulberry32. */
export const make = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const whole = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    whole,
    pick: (from) => from[whole(0, from.length - 1)] ?? from[0],
    fork: () => make(Math.floor(next() * 4_294_967_296))
  }
}

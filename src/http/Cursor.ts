/** A place in the whole log as clients see it: a text that means nothing to them. */
import type { Cursor } from "../log/EventStore.ts"

/** Digits of base 36, twice; at most 13 each, since both are 64-bit numbers. */
const pattern = /^([0-9a-z]{1,13})-([0-9a-z]{1,13})$/

export const encode = ({ position, tx }: Cursor): string => `${tx.toString(36)}-${position.toString(36)}`

/** The place, or `undefined` where the text is none of ours. */
export const decode = (text: string): Cursor | undefined => {
  const [, tx, position] = pattern.exec(text) ?? []
  const cursor = tx === undefined || position === undefined ? undefined : { tx: parse(tx), position: parse(position) }
  return cursor !== undefined && cursor.tx < limit && cursor.position < limit ? cursor : undefined
}

const limit = 2n ** 63n

const parse = (text: string): bigint => {
  let value = 0n
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36))
  return value
}

/** Finds the word that was probably meant, so that an error can name it. */

/** Longest word that is compared: what is longer is no typo of ours. */
const maxLength = 64

/** The nearest of `known` to `word`, by edits. */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const probe = word.slice(0, maxLength)
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const edits = distance(probe, candidate)
    if (edits < least) {
      least = edits
      best = candidate
    }
  }
  return best
}

const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** A failure in one line, for events and people: whatever a hook, a fiber or a definition failed with. */

/** Bound of the text, in characters: it is part of an event. */
const maxLength = 1_000

export const describe = (error: unknown): string => {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : isPlain(error) ? json(error) : String(error)
  return text.replaceAll(/\s+/g, " ").slice(0, maxLength)
}

const isPlain = (error: unknown): boolean => typeof error === "object" && error !== null

const json = (error: unknown): string => {
  try {
    return JSON.stringify(error) ?? String(error)
  } catch {
    // It refers to itself, or holds what JSON has no text for.
    return String(error)
  }
}

/** The options of a benchmark's command line. A wrong one ends the process before anything is started. */

/** Says what is wrong and what would be right, and ends the process. */
export const refuse = (message: string, usage: string): never => {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}

export interface Option {
  readonly name: string
  /** What was given, if anything. */
  readonly text: string | undefined
}

/** A whole number from 1 to a bound, which keeps every run bounded. */
export const count = (
  option: Option & { readonly otherwise: number; readonly most: number },
  usage: string
): number => {
  const value = Number(option.text ?? option.otherwise)
  if (Number.isInteger(value) && value >= 1 && value <= option.most) return value
  return refuse(`--${option.name} is a whole number from 1 to ${option.most}`, usage)
}

/** Those of a list that are named, separated by commas; all where none is. */
export const choose = <A>(
  option: Option,
  all: ReadonlyArray<A>,
  nameOf: (one: A) => string,
  usage: string
): ReadonlyArray<A> => {
  if (option.text === undefined) return all
  const wanted = option.text.split(",")
  const unknown = wanted.find((word) => all.every((one) => nameOf(one) !== word))
  if (unknown !== undefined) return refuse(`--${option.name} does not know ${JSON.stringify(unknown)}`, usage)
  return all.filter((one) => wanted.includes(nameOf(one)))
}

/** What `parseArgs` reads, with its complaint about an unknown option made ours. */
export const read = <A>(parse: () => A, usage: string): A => {
  try {
    return parse()
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error), usage)
  }
}

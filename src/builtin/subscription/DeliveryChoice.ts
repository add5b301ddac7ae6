/** Which events a subscription pushes by their type. Pure. */
import * as Control from "../../domain/ControlEvent.ts"
import type { JsonText } from "../../domain/EventText.ts"
import * as EventText from "../../domain/EventText.ts"
import * as Domain from "../../domain/Subscription.ts"
import * as BuiltInFailure from "../BuiltInFailure.ts"
import * as FollowLine from "./FollowLine.ts"

const own = `"${Domain.processor}/`
const error = JSON.stringify(Control.ErrorOccurred.type)

export interface Choosing {
  readonly path: string
  readonly slug: string
  /** As JSON; none where every type is wanted. */
  readonly types: ReadonlySet<JsonText> | undefined
}

export const make = (path: string, slug: string, types: ReadonlyArray<string> | undefined): Choosing => ({
  path,
  slug,
  types: types === undefined ? undefined : new Set(types.map((type) => JSON.stringify(type)))
})

/** The indexes of the wanted lines; none where all of them are. */
export const choose = (choosing: Choosing, lines: ReadonlyArray<JsonText>): ReadonlyArray<number> | undefined => {
  if (choosing.types === undefined && !lines.some((line) => isOwn(choosing, line))) return undefined
  const indexes: Array<number> = []
  for (const [index, line] of lines.entries()) if (isWanted(choosing, line)) indexes.push(index)
  return indexes
}

const isWanted = (choosing: Choosing, line: JsonText): boolean => {
  if (isOwn(choosing, line)) return false
  if (choosing.types === undefined) return true
  const type = FollowLine.typeOf(line)
  // A type may be spelled with escapes in other ways than ours.
  return choosing.types.has(type) || (type.includes("\\") && choosing.types.has(JSON.stringify(JSON.parse(type))))
}

/** What is said of subscriptions is not pushed, nor what this one said went wrong: that would go on without end. */
const isOwn = ({ path, slug }: Choosing, line: JsonText): boolean => {
  if (FollowLine.hasType(line, own)) return true
  if (!FollowLine.hasType(line, error)) return false
  const { cause, payload, streamPath } = EventText.decode(line)
  return cause?.processor === Domain.processor && streamPath === path && hasSlug(payload, slug)
}

/** Whether a built-in processor tells in it what went wrong. */
export const isFailure = (line: JsonText): boolean =>
  FollowLine.hasType(line, error) && BuiltInFailure.isFailure(EventText.decode(line))

const hasSlug = (payload: unknown, slug: string): boolean =>
  typeof payload === "object" && payload !== null && "slug" in payload && payload.slug === slug

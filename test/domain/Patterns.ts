/** Arbitrary patterns and paths of few names, so that they meet often. */
import * as fc from "fast-check"
import { StreamPath } from "../../src/domain/StreamPath.ts"

const any = fc.stringMatching(/^[A-Za-z0-9._~@:-]{1,6}$/).filter((text) => text !== "." && text !== "..")
const few = fc.constantFrom("a", "b", "ab", "a.b", "axb", "A")
const segment = fc.oneof({ weight: 6, arbitrary: few }, { weight: 1, arbitrary: any })

export const path = fc.array(segment, { maxLength: 5 }).map((segments) => StreamPath.make(`/${segments.join("/")}`))

export const pattern = fc.tuple(
  fc.array(fc.oneof(segment, fc.constant("*")), { maxLength: 4 }),
  fc.constantFrom([], [], ["**"])
).map(([segments, last]) => `/${[...segments, ...last].join("/")}`)

/** A request that somebody may have signed, and what is read from it. */
import { Result } from "effect"

export interface Delivery {
  /** By lower-case name. */
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  /** What arrived, without its content coding: providers sign what they send, and send it plain. */
  readonly body: Uint8Array
}

/** The value of a header, whose name may be written in any case; none where it is missing. */
export const header = ({ headers }: Delivery, name: string): string | undefined => {
  const value = headers[name.toLowerCase()]
  return typeof value === "string" && value !== "" ? value : undefined
}

/** The same, or the sentence that it is missing. */
export const required = (delivery: Delivery, name: string): Result.Result<string, string> =>
  Result.fromNullishOr(header(delivery, name), () => `the header ${name} is missing`)

/** A time in seconds since 1970, or the sentence that it is none. */
export const seconds = (text: string): Result.Result<number, string> =>
  /^[0-9]{1,12}$/.test(text) ? Result.succeed(Number(text)) : Result.fail("its time is no number of seconds since 1970")

/** The text that a member of a JSON object holds; none where the body is anything else. */
export const textIn = ({ body }: Delivery, name: string): string | undefined => {
  const parsed = Result.try((): unknown => JSON.parse(Buffer.from(body).toString()))
  if (Result.isFailure(parsed) || typeof parsed.success !== "object" || parsed.success === null) return undefined
  const value = Object.entries(parsed.success).find(([each]) => each === name)?.[1]
  return typeof value === "string" && value !== "" ? value : undefined
}

/** The processor that a URL names, in one segment behind the prefix. */
import { Result } from "effect"
import { nameProblem } from "../domain/Event.ts"
import { InvalidRequest } from "../domain/StreamError.ts"

export const prefix = "/api/processors"

/** The name in `/api/processors/{name}/claim`; the router has seen that its escapes are sound. */
export const nameIn = (url: string): Result.Result<string, InvalidRequest> => {
  const name = decodeURIComponent(url.slice(prefix.length + 1).split(/[/?]/, 1)[0] ?? "")
  const problem = nameProblem(name)
  return problem === undefined
    ? Result.succeed(name)
    : Result.fail(new InvalidRequest({ reason: `The name of a processor ${problem}` }))
}

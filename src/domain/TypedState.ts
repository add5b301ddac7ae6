/** The state of a processor, decoded by its definition. */
import { Effect, Result, Schema } from "effect"
import type { Offset } from "./Event.ts"
import type { InstanceStatus } from "./ProcessorState.ts"
import { Behind, InvalidRequest } from "./StreamError.ts"
import type { StreamPath } from "./StreamPath.ts"
import type { ProcessorState, Stateful } from "./Streams.ts"

/** A state as it is told; left out while it is folded anew. */
export interface Told {
  readonly version: number
  readonly offset: Offset
  readonly state?: Schema.Json | undefined
  readonly status?: InstanceStatus | undefined
}

export const decode = <State>(
  { name, state: schema }: Stateful<State>,
  streamPath: StreamPath,
  { offset, state, status = "folding", version }: Told
): Effect.Effect<ProcessorState<State>, Behind | InvalidRequest> => {
  if (state === undefined) {
    return Effect.fail(new Behind({ processor: name, streamPath, offset, atLeast: offset, status }))
  }
  const decoded = Schema.decodeResult(Schema.toCodecJson(schema))(state)
  if (Result.isSuccess(decoded)) return Effect.succeed({ version, offset, state: decoded.success })
  const why = decoded.failure.message.replaceAll(/\s+/g, " ")
  return Effect.fail(
    new InvalidRequest({ reason: `The state of ${name}, version ${version}, does not fit this definition: ${why}` })
  )
}

/** `Streams` in the process of the log and of processors: it tells their states too, now or as of an offset. */
import { Effect, Layer, Schema } from "effect"
import { Offset } from "../domain/Event.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import * as LogStreams from "../log/LogStreams.ts"
import { Instances } from "./Instances.ts"
import { TimeTravel } from "./TimeTravel.ts"

const decode = Schema.decodeSync(Schema.fromJsonString(Schema.Json))

const stateOf = Effect.gen(function*() {
  const instances = yield* Instances
  const timeTravel = yield* TimeTravel
  const told: LogStreams.StateOf = Effect.fnUntraced(function*(name, path, { at, atLeast }) {
    if (at === undefined) {
      const { offset, state, status, version } = yield* instances.one(name, path, atLeast)
      return { version, offset: Offset.make(offset), status, state: state === undefined ? undefined : decode(state) }
    }
    if (atLeast !== undefined) return yield* new InvalidRequest({ reason: "`at` and `atLeast` exclude each other" })
    const processor = yield* instances.definition(name)
    const { offset, state } = yield* timeTravel.at(processor, path, at)
    return { version: processor.version, offset: Offset.make(offset), state: decode(state) }
  })
  return told
})

/** `Streams` over the log and the processors in scope. */
export const layer = ({ breaker }: Pick<LogStreams.Options, "breaker">) =>
  Layer.unwrap(Effect.map(stateOf, (stateOf) => LogStreams.layer({ breaker, stateOf })))

/** As much of the stored fibers of an instance as the log knows, to let one that was parked start again. */
import { Option, Schema } from "effect"
import type { JsonText } from "../domain/EventText.ts"

/** Each under the name that joins kind and key; what else a fiber has is kept. */
const Stored = Schema.fromJsonString(Schema.Array(Schema.Tuple([
  Schema.String,
  Schema.StructWithRest(
    Schema.Struct({
      kind: Schema.String,
      key: Schema.String,
      /** The event at which the state first asked. */
      since: Schema.Int,
      ended: Schema.optionalKey(Schema.StructWithRest(
        Schema.Struct({ _tag: Schema.String }),
        [Schema.Record(Schema.String, Schema.Json)]
      ))
    }),
    [Schema.Record(Schema.String, Schema.Json)]
  )
])))
const decode = Schema.decodeSync(Stored)

/** The fibers with a parked one running again, and since when it is asked for; none where it is not parked. */
export const resume = (
  fibers: JsonText,
  kind: string,
  key: string
): Option.Option<{ readonly fibers: JsonText; readonly since: number }> => {
  const stored = decode(fibers)
  const parked = stored.find(([, fiber]) => fiber.kind === kind && fiber.key === key && fiber.ended?._tag === "Parked")
  if (parked === undefined) return Option.none()
  const resumed = stored.map((each) => {
    if (each !== parked) return each
    const { ended: _, ...running } = parked[1]
    return [each[0], running]
  })
  return Option.some({ fibers: JSON.stringify(resumed), since: parked[1].since })
}

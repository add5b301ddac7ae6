/** A processor whose hooks and fibers fail when a test wants them to, and whose reducer throws at a wet fuse. */
import { Effect, Ref, Schedule, Schema } from "effect"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"

export const Lit = EventType.make("fuse/lit", Schema.Struct({ id: Schema.String }))
export const Noted = EventType.make("fuse/noted", Schema.Struct({ id: Schema.String }).annotate({
  description: "A fuse was seen",
  examples: [{ id: "red" }]
}))

const Fuse = Processor.make("fuse", {
  state: Schema.Struct({ lit: Schema.Array(Schema.String) }),
  initial: { lit: [] },
  consumes: [Lit, EventType.any],
  emits: [Noted]
}).reduce({
  "fuse/lit": ({ lit }, { payload }) => {
    if (payload.id === "wet") throw new Error("A wet fuse does not burn")
    return { lit: [...lit, payload.id] }
  },
  "*": (state) => state
}).fibers({
  burn: ({ lit }) => Object.fromEntries(lit.map((id) => [id, { length: 2 }]))
})

/** Whether hooks and fibers fail for now. */
export const isBroken = Ref.makeUnsafe(false)
const failing = Effect.flatMap(Ref.get(isBroken), (broken) => broken ? Effect.fail("out of matches") : Effect.void)

/** Burns on streams directly below /fuses, without a second try. */
export const layer = Fuse.toLayer({
  afterAppend: { "fuse/lit": ({ payload }, { emit }) => Effect.andThen(failing, emit(Noted.make(payload))) },
  fibers: {
    burn: (_, { cursor, key, moveCursor }) =>
      key === "short" ? failing : Effect.andThen(cursor, Effect.andThen(moveCursor({ left: 1 }), Effect.never))
  }
}, { streams: "/fuses/*", retry: Schedule.recurs(0) })

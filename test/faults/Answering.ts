/** A processor for faults: it answers each question with the process that did, after a while, so that a fault finds it at work. */
import { Effect, Schema } from "effect"
import { EventType, Processor } from "../../src/millstream.ts"

const Asked = EventType.make("asked", Schema.Struct({ question: Schema.Int }))
const Answered = EventType.make("answered", Schema.Struct({ question: Schema.Int, by: Schema.Int }))

const Answering = Processor.make("answering", {
  state: Schema.Struct({ questions: Schema.Int }),
  initial: { questions: 0 },
  consumes: [Asked],
  emits: [Answered]
}).reduce({
  asked: ({ questions }) => ({ questions: questions + 1 })
})

export const layer = Answering.toLayer({
  afterAppend: {
    asked: ({ payload: { question } }, { emit }) =>
      emit(Answered.make({ question, by: process.pid })).pipe(Effect.andThen(Effect.sleep("20 millis")))
  }
}, { streams: "/answering/*" })

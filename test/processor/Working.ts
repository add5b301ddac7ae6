/** A processor whose state asks for a fiber by each key that it was asked for, and which notes how they come and go. */
import { Effect, Record, Schema } from "effect"
import type { Schedule } from "effect"
import { EventType } from "../../src/domain/EventType.ts"
import type { Fiber } from "../../src/processor/Hooks.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Came, thrice, Went } from "./Workshop.ts"

const Asked = EventType.make("asked", Schema.Struct({ key: Schema.String, input: Schema.Int }))
const Ended = EventType.make("ended", Schema.Struct({ key: Schema.String }))

export const Working = Processor.make("working", {
  state: Schema.Struct({ all: Schema.Record(Schema.String, Schema.Int) }),
  initial: { all: {} },
  consumes: [Asked, Ended, Went],
  emits: [Came]
}).reduce({
  asked: ({ all }, { payload: { input, key } }) => ({ all: { ...all, [key]: input } }),
  ended: ({ all }, { payload }) => ({ all: Record.remove(all, payload.key) }),
  went: (state) => state
}).fibers({ run: ({ all }) => all })

export const asked = (key: string, input: number) => Asked.make({ key, input })
export const ended = (key: string) => Ended.make({ key })

type Tools = Fiber<typeof Working.state.Type, typeof Came>

/** Notes when each fiber starts and leaves; `body` is what it does in between, for ever by default. */
export const noting = (
  body: (input: number, fiber: Tools) => Effect.Effect<unknown, unknown> = () => Effect.never,
  options: { readonly whilePaused?: boolean; readonly retry?: Schedule.Schedule<unknown, unknown> } = {}
) => {
  const notes: Array<string> = []
  const note = (text: string) => Effect.sync(() => notes.push(text))
  const run = (input: number, fiber: Tools) =>
    note(`+${fiber.key}${input}`).pipe(
      Effect.andThen(body(input, fiber)),
      Effect.onInterrupt(() => note(`-${fiber.key}${input}`))
    )
  const { retry = thrice, whilePaused = false } = options
  const layer = Working.toLayer({ fibers: { run: { run, whilePaused } } }, { streams: "/s", retry })
  /** What was noted since the last look. */
  const since = Effect.sync(() => notes.splice(0))
  return { layer, since }
}

import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import type { Met } from "../../src/cli/Explanation.ts"
import * as Explanation from "../../src/cli/Explanation.ts"
import type { Event } from "../../src/domain/Event.ts"
import { Offset } from "../../src/domain/Event.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"

const event: Event = {
  offset: Offset.make(7),
  type: "ping",
  payload: { from: "ada" },
  streamPath: StreamPath.make("/games/1"),
  createdAt: DateTime.makeUnsafe(0)
}

const met = (fields: Partial<Omit<Met, "instance">>, instance: Partial<Met["instance"]> = {}): Met => ({
  name: "umpire",
  consumes: ["ping"],
  patch: [],
  emitted: [],
  ...fields,
  instance: { version: 2, offset: Offset.make(9), lag: 0, status: "caught-up", fibers: [], cursors: [], ...instance }
})

/** What is told of one processor, without the line of the event. */
const told = (fields: Parameters<typeof met>[0], instance?: Parameters<typeof met>[1]) =>
  Explanation.render(event, [met(fields, instance)]).split("\n").slice(2)

describe("an explanation", () => {
  it("shows the event, and says where nobody has met it", () => {
    assert.strictEqual(
      Explanation.render(event, []),
      "/games/1 7: ping {\"from\":\"ada\"}\nNo processor has met an event of this stream"
    )
  })

  it("lists each change and each event, long values cut", () => {
    const patch = [
      { op: "replace" as const, path: "", value: { text: "x".repeat(500) } },
      { op: "remove" as const, path: "/left" }
    ]
    const emitted = [{ ...event, type: "pong", offset: Offset.make(8) }, { ...event, type: "pang" }]
    const [title, consumed, changed = "", removed, ...rest] = told({ patch, emitted })
    assert.deepStrictEqual([title, consumed], ["umpire, version 2", "  consumed  yes"])
    assert.match(changed, /^ {2}state {5}replace everything \{"text":"x+…$/)
    assert.isBelow(changed.length, 160)
    assert.deepStrictEqual([removed, ...rest], [
      "            remove /left",
      "  emitted   pong at /games/1 8",
      "            pang at /games/1 7",
      "  now       caught-up, at 9"
    ])
  })

  it("tells apart what is not consumed, not folded, and not known here", () => {
    assert.include(told({ consumes: ["pong", "pang"], patch: undefined }), "  consumed  no, only pong, pang")
    assert.include(told({ consumes: ["pong"], patch: undefined }), "  state     as it was before")
    assert.include(told({ patch: undefined }), "  state     as it was before: the event did not fold")
    assert.include(told({ patch: { unknown: "It is elsewhere" } }), "  state     It is elsewhere")
    const behind = told({ consumes: ["*"] }, { offset: Offset.make(3), lag: 6, status: "folding" })
    assert.includeMembers(behind, ["  consumed  not yet", "  now       folding, at 3: 6 events behind"])
  })

  it("names fibers that wait for a person", () => {
    const fiber = { kind: "burn", key: "a b", input: {}, since: Offset.make(2) }
    const fibers = [{ ...fiber, status: "running" as const }, { ...fiber, status: "parked" as const, error: "rain" }]
    assert.deepStrictEqual(told({}, { fibers }).slice(-1), ["  waiting   burn \"a b\": rain"])
  })
})

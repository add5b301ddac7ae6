/** What is kept in memory is forgotten when a delete may have been missed. */
import { assert, it } from "@effect/vitest"
import * as Path from "../../src/domain/StreamPath.ts"
import { Recent } from "../../src/log/Recent.ts"

it("forgets all streams", () => {
  const recent = new Recent()
  const event = { type: "a", payload: "{}", offset: 1, streamPath: Path.root, createdAt: 0, line: "{}" }
  recent.push(event)
  assert.deepEqual(recent.page(Path.root, 0)?.lines, ["{}"])
  recent.clear()
  assert.isUndefined(recent.page(Path.root, 0))
  recent.push({ ...event, offset: 2 })
  assert.deepEqual(recent.page(Path.root, 1)?.lines, ["{}"])
})

import { assert, describe, it } from "@effect/vitest"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import type { Instance as Stored } from "../../src/log/Checkpoints.ts"
import * as FiberRecords from "../../src/processor/FiberRecords.ts"
import type { Status, View } from "../../src/processor/Instance.ts"
import * as InstanceView from "../../src/processor/InstanceView.ts"

const stored: Stored = {
  path: StreamPath.make("/games/1"),
  life: 1n,
  revision: 3,
  version: 1,
  offset: 5,
  head: 9,
  hooksAfter: 0,
  addedTypes: [],
  state: "{\"pings\":5}",
  fibers: undefined,
  busy: false,
  parked: undefined,
  skipped: [],
  cursors: []
}
const parked = { offset: 6, error: "out of matches" }

const seen = (offset: number): View => ({ offset, state: `{"pings":${offset}}`, fibers: [] })
const awake = (now: Status["now"], offset?: number): Status => ({
  now,
  offset: offset ?? 0,
  ...(offset === undefined ? undefined : { view: () => seen(offset) })
})

const told = (row: Partial<Stored>, status?: Status, version?: number) => {
  const { now, offset, parked, state, version: shown } =
    InstanceView.newest("ping-pong", { ...stored, ...row }, status, version)
  return { now, offset, state, version: shown, isParked: parked !== undefined }
}

describe("an instance", () => {
  it("asleep is what is written of it", () => {
    const written = { now: undefined, offset: 5, state: "{\"pings\":5}", version: 1, isParked: false }
    assert.deepStrictEqual(told({}), written)
    assert.deepStrictEqual(told({ parked }), { ...written, now: "parked", isParked: true })
    assert.deepStrictEqual(told({ state: undefined }), { ...written, now: "folding", state: undefined })
  })

  it("awake is what it has folded since", () => {
    const folded = { now: "caught-up" as const, offset: 7, state: "{\"pings\":7}", version: 2, isParked: false }
    assert.deepStrictEqual(told({}, awake("caught-up", 7), 2), folded)
    assert.deepStrictEqual(told({}, awake("retrying", 7), 2), { ...folded, now: "retrying" })
    // Opened, and nothing folded yet.
    assert.deepInclude(told({}, awake("folding")), { now: "folding", offset: 5, state: "{\"pings\":5}" })
  })

  it("whose state can not be written is what was written of it before", () => {
    const unfit: Status = {
      now: "folding",
      offset: 7,
      view: () => {
        throw new Error("It does not fit")
      }
    }
    assert.deepInclude(told({}, unfit), { now: "folding", offset: 5, state: "{\"pings\":5}", version: 1 })
  })

  it("that is folded anew keeps its state until it has come as far, where it has one", () => {
    assert.deepInclude(told({}, awake("folding", 3), 2), { now: "folding", offset: 5, state: "{\"pings\":5}", version: 1 })
    assert.deepInclude(told({ state: undefined }, awake("folding", 3), 2), { offset: 3, state: "{\"pings\":3}" })
  })

  it("is parked when that is written, and no more once a person has let it go on", () => {
    assert.deepInclude(told({ parked }, awake("parked", 5)), { now: "parked", isParked: true })
    assert.deepInclude(told({ parked }, awake("folding")), { now: "parked", isParked: true })
    assert.deepInclude(told({ parked }, awake("caught-up", 7)), { now: "caught-up", isParked: false })
    assert.deepInclude(told({}, awake("parked", 5)), { now: "folding", isParked: false })
  })

  it("shows its fibers as they were written", () => {
    const record = { kind: "burn", input: "{}", since: 2, hops: 0 }
    const fibers = FiberRecords.encode(
      new Map([
        ["a", { ...record, key: "a" }],
        ["b", { ...record, key: "b", ended: { _tag: "Done" } }],
        ["c", { ...record, key: "c", ended: { _tag: "Parked", error: "rain" } }]
      ])
    )
    const shown = InstanceView.newest("fuse", { ...stored, fibers }, undefined, undefined).fibers
    assert.deepStrictEqual(shown.map(({ key, status }) => [key, status]), [
      ["a", "running"],
      ["b", "done"],
      ["c", "parked"]
    ])
  })
})

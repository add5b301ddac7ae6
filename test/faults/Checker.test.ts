/** The checker finds each kind of violation, and none in a history that is as it should be. */
import { assert, describe, it } from "@effect/vitest"
import * as Checker from "./Checker.ts"

const path = "/a"
const logged = (offset: number, content: string, own = false): Checker.Logged => ({ path, offset, content, own })

/** One acknowledged request, a batch sent after that, and one whose outcome is unknown; a tail saw it all. */
const log = [logged(1, "made", true), logged(2, "one"), logged(3, "two"), logged(4, "three"), logged(5, "four")]
const single: Checker.Append = { path, invokedAt: 0, contents: ["one"], ack: { at: 1, offsets: [2] } }
const batch: Checker.Append = { path, invokedAt: 2, contents: ["two", "three"], ack: { at: 3, offsets: [3, 4] } }
const unknown: Checker.Append = { path, invokedAt: 4, contents: ["four"] }
const tail: Checker.Tail = { name: "tail", path, within: false, seen: log, complete: true }
const sound: Checker.Observed = { appends: [single, batch, unknown], log, tails: [tail] }

const kinds = (observed: Partial<Checker.Observed>) =>
  [...new Set(Checker.check({ ...sound, ...observed }).violations.map(({ kind }) => kind))].sort()

describe("Checker", () => {
  it("finds nothing where all is well, and counts", () => {
    assert.deepStrictEqual(Checker.check(sound), { violations: [], acknowledged: 3, unacknowledged: 1, tailed: 5 })
  })

  it("takes an unknown outcome that was never recorded", () => {
    assert.deepStrictEqual(kinds({ log: log.slice(0, 4), tails: [] }), [])
  })

  it("takes requests that were under way together in either order", () => {
    const early = { ...batch, invokedAt: 0.5, contents: ["one"], ack: { at: 3, offsets: [2] } }
    const late = { ...single, contents: ["two"], ack: { at: 1, offsets: [3] } }
    assert.deepStrictEqual(kinds({ appends: [early, late], log: log.slice(0, 3), tails: [] }), [])
  })

  it("finds an acknowledged event that is lost", () => {
    assert.deepStrictEqual(kinds({ log: log.slice(0, 3), tails: [] }), ["lost", "split"])
    assert.deepStrictEqual(kinds({ log: log.slice(0, 1), tails: [], appends: [single] }), ["lost"])
  })

  it("finds an acknowledged event whose content has changed", () => {
    const changed = log.map((event) => event.content === "one" ? { ...event, content: "other" } : event)
    assert.deepStrictEqual(kinds({ log: changed, tails: [] }), ["invented", "lost"])
  })

  it("finds an acknowledged event at another offset", () => {
    assert.deepStrictEqual(kinds({ appends: [{ ...single, ack: { at: 1, offsets: [3] } }, batch, unknown] }), ["moved"])
  })

  it("finds an acknowledged event on another stream", () => {
    const strayed = log.map((event) => event.content === "one" ? { ...event, path: "/b", offset: 1 } : event)
    assert.includeMembers(kinds({ log: strayed, tails: [] }), ["invented", "lost"])
  })

  it("finds an event that is there twice, acknowledged or not", () => {
    assert.deepStrictEqual(kinds({ log: [...log, logged(6, "one")], tails: [] }), ["twice"])
    assert.deepStrictEqual(kinds({ log: [...log, logged(6, "four")], tails: [] }), ["twice"])
  })

  it("finds an event that nobody sent", () => {
    assert.deepStrictEqual(kinds({ log: [...log, logged(6, "five")], tails: [] }), ["invented"])
  })

  it("finds offsets that are not dense, do not start at 1, or are given twice", () => {
    assert.deepStrictEqual(kinds({ appends: [single], log: [logged(1, "made", true), logged(3, "one")], tails: [] }), [
      "gap",
      "moved"
    ])
    assert.deepStrictEqual(kinds({ appends: [single], log: [logged(2, "one")], tails: [] }), ["gap"])
    assert.deepStrictEqual(kinds({ log: [...log, logged(5, "also", true)], tails: [] }), ["gap"])
  })

  it("finds a request with a lower offset than one acknowledged before it was sent", () => {
    const late = { ...single, invokedAt: 10, ack: { at: 11, offsets: [2] } }
    assert.deepStrictEqual(kinds({ appends: [late, batch, unknown] }), ["order"])
    // It need not have been acknowledged itself.
    assert.deepStrictEqual(kinds({ appends: [{ path, invokedAt: 10, contents: ["one"] }, batch, unknown] }), ["order"])
  })

  it("finds a batch that is torn apart, turned around, or recorded in part", () => {
    const apart = { ...batch, contents: ["two", "four"], ack: { at: 3, offsets: [3, 5] } }
    const rest = { ...unknown, contents: ["three"], invokedAt: 0 }
    assert.deepStrictEqual(kinds({ appends: [single, apart, rest] }), ["split"])
    const turned = { ...batch, contents: ["three", "two"], ack: { at: 3, offsets: [4, 3] } }
    assert.deepStrictEqual(kinds({ appends: [single, turned, unknown] }), ["split"])
    const part: Checker.Append = { path, invokedAt: 4, contents: ["four", "five"] }
    assert.deepStrictEqual(kinds({ appends: [single, batch, part] }), ["split"])
  })

  it("finds a tail with a gap, a duplicate, another content, or without the end", () => {
    const seen = (events: ReadonlyArray<Checker.Logged>) => kinds({ tails: [{ ...tail, seen: events }] })
    assert.deepStrictEqual(seen(log.filter(({ offset }) => offset !== 3)), ["tail"])
    assert.deepStrictEqual(seen([...log, logged(5, "four")]), ["tail"])
    assert.deepStrictEqual(seen([...log, logged(6, "five")]), ["tail"])
    assert.deepStrictEqual(seen(log.with(2, logged(3, "other"))), ["tail"])
    assert.deepStrictEqual(seen(log.slice(0, 4)), ["tail"])
    assert.deepStrictEqual(seen([]), ["tail"])
    assert.deepStrictEqual(kinds({ tails: [{ ...tail, seen: log.slice(0, 4), complete: false }] }), [])
  })

  it("judges a tail of many streams by each of them, and by which they are", () => {
    const other = { path: "/a/b", offset: 1, content: "made too", own: true }
    const both = [...log, other]
    const wide = { ...tail, within: true }
    assert.deepStrictEqual(kinds({ log: both, tails: [{ ...wide, seen: [other, ...log] }] }), [])
    assert.deepStrictEqual(kinds({ log: both, tails: [{ ...wide, seen: log }] }), ["tail"])
    assert.deepStrictEqual(kinds({ log: both, tails: [{ ...wide, path: "/a/b", seen: both }] }), ["tail"])
  })
})

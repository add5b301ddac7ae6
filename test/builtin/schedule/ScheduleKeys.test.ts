/** Keys of schedules: those of one never stand for what another one, or a client, says. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Sha256 from "../../../src/domain/Sha256.ts"
import { append, pass, read, types } from "../../processor/Workshop.ts"
import { configured, on, other, words } from "./Scheduling.ts"

it.effect("schedules of one name on several streams each reach their common target", () =>
  on(Effect.gen(function*() {
    const beat = configured("beat", { after: "1 second" }, { to: other })
    const told = configured("told", { after: "1 second" }, { to: other }, { type: "told", payload: { from: "a" } })
    const elsewhere = configured("told", { after: "1 second" }, { to: other }, { type: "told", payload: { from: "b" } })
    const here = configured("beat", { after: "1 second" })
    yield* append("/a", beat, told)
    yield* append("/b", beat, elsewhere)
    yield* append("/other", here)
    yield* pass("1 second")
    const events = (yield* read("/other")).filter(({ idempotencyKey }) => idempotencyKey?.includes("/fired/") === false)
    const key = (slug: string, source: string) =>
      `schedule/${slug}/1970-01-01T00:00:01.000Z${source === "/other" ? "" : `/${Sha256.base64Url(source)}`}`
    const found = events.map(({ cause, idempotencyKey, payload, type }) =>
      JSON.stringify([type, payload, cause?.streamPath, idempotencyKey]))
    assert.sameMembers(
      found,
      [
        ["beat", {}, "/a", key("beat", "/a")],
        ["beat", {}, "/b", key("beat", "/b")],
        ["beat", {}, "/other", key("beat", "/other")],
        ["told", { from: "a" }, "/a", key("told", "/a")],
        ["told", { from: "b" }, "/b", key("told", "/b")]
      ].map((event) => JSON.stringify(event))
    )
    for (const path of ["/a", "/b"]) assert.deepStrictEqual(yield* words(path), ["1 appended", "1 appended"])
  })))

it.effect("a client that takes the key of a word keeps nothing from being told", () =>
  on(Effect.gen(function*() {
    const [asked] = yield* append("/s", configured("x", { every: "1 second" }))
    const keyAt = (seconds: number, more = "") =>
      `schedule/x/1970-01-01T00:00:0${seconds}.000Z/fired/${asked?.offset}${more}`
    yield* append("/s", { type: "note", idempotencyKey: keyAt(1) }, { type: "note", idempotencyKey: keyAt(2) })
    for (let i = 0; i < 3; i++) yield* pass("1 second")
    for (let i = 0; i < 5; i++) yield* pass("100 millis")
    assert.deepStrictEqual(yield* words("/s"), ["1 appended", "2 appended", "3 appended"])
    assert.lengthOf((yield* types("/s")).filter((type) => type === "x"), 3)
  })))

it.effect("nor does one that takes the key of a word on what waits", () =>
  on(Effect.gen(function*() {
    yield* append("/other", { type: "stream/paused" })
    const [asked] = yield* append("/s", configured("x", { after: "1 second" }, { to: other }))
    const key = `schedule/x/1970-01-01T00:00:01.000Z/fired/${asked?.offset}`
    yield* append("/s", { type: "note", idempotencyKey: `${key}/waiting` }, { type: "note", idempotencyKey: key })
    yield* pass("1 second")
    yield* append("/other", { type: "stream/resumed" })
    for (let i = 0; i < 10; i++) yield* pass("200 millis")
    assert.deepStrictEqual(yield* words("/s"), ["1 waiting", "1 appended"])
    assert.include(yield* types("/other"), "x")
  })))

/** The checker of deliveries finds each kind of violation, and none in a history that is as it should be. */
import { assert, describe, it } from "@effect/vitest"
import * as Checker from "./DeliverChecker.ts"

const path = "/a"
const asked = (offset: number): Checker.Logged => ({ path, offset, content: `asked ${offset}` })
const wanted = [asked(2), asked(3), asked(4), asked(5)]
const answer = (offset: number, to: number, attempt: number, index = 0): Checker.Logged => ({
  path,
  offset,
  content: `answer ${offset}`,
  cause: { path, offset: to, processor: "subscription" },
  answers: { path, offset: to, attempt, index }
})
const push = (number: number, offset: number, life: number, takenAt?: number): Checker.Attempt => ({
  number,
  slug: "s",
  webhookId: `msg ${offset}`,
  events: wanted.filter((event) => event.offset === offset),
  life,
  at: number * 10,
  takenAt
})

/** The second event is refused once; a life ends after the third was taken and before that was written down. */
const attempts = [
  push(1, 2, 1, 11),
  push(2, 3, 1),
  push(3, 3, 1, 31),
  push(4, 4, 1, 41),
  push(5, 4, 2, 51),
  push(6, 5, 2, 61)
]
const answers = [answer(6, 2, 1), answer(7, 3, 3), answer(8, 4, 5), answer(9, 5, 6)]
const subscribed: Checker.Subscribed = { slug: "s", wanted, replies: 1 }
const sound: Checker.Observed = {
  log: [...wanted, ...answers],
  subscriptions: [subscribed],
  attempts,
  stored: [{ slug: "s", life: 1, passed: 2 }],
  ends: new Map([[1, 45]])
}
const kinds = (observed: Partial<Checker.Observed>) =>
  [...new Set(Checker.check({ ...sound, ...observed }).violations.map(({ kind }) => kind))].sort()
const without = (number: number) => attempts.filter((attempt) => attempt.number !== number)
const changed = (number: number, change: Partial<Checker.Attempt>) =>
  attempts.map((attempt) => attempt.number === number ? { ...attempt, ...change } : attempt)

describe("DeliverChecker", () => {
  it("finds nothing where all is well, and counts", () => {
    assert.deepStrictEqual(Checker.check(sound), { violations: [], delivered: 4, repeated: 2, replies: 4 })
  })

  it("finds an event that never came, at the end and in between", () => {
    assert.deepStrictEqual(kinds({ attempts: without(6), log: [...wanted, ...answers.slice(0, 3)] }), ["lost", "reply"])
    const log = [...wanted, ...answers.slice(1)]
    assert.deepStrictEqual(kinds({ attempts: without(1), log }), ["lost", "order", "reply"])
  })

  it("finds an event that came and that nobody took", () => {
    assert.deepStrictEqual(kinds({ attempts: changed(6, { takenAt: undefined }) }), ["lost"])
    // It must not go on past one that was refused.
    assert.deepStrictEqual(kinds({ attempts: changed(3, { takenAt: undefined }) }), ["lost", "order"])
  })

  it("finds two events in the wrong order", () => {
    const mixed = [1, 4, 2, 3, 5, 6].flatMap((number) => attempts[number - 1] ?? [])
    assert.deepStrictEqual(kinds({ attempts: mixed }), ["again", "order"])
  })

  it("finds an event that was sent again although it had been taken", () => {
    const again = [...attempts.slice(0, 3), push(7, 3, 1, 35), ...attempts.slice(3)]
    assert.deepStrictEqual(kinds({ attempts: again }), ["again"])
  })

  it("finds a restart that goes back too far", () => {
    assert.deepStrictEqual(kinds({ ends: new Map([[1, 41 + Checker.writtenWithin + 1]]) }), ["back"])
    assert.deepStrictEqual(kinds({ stored: [{ slug: "s", life: 1, passed: 3 }] }), ["back"])
  })

  it("finds a cursor that moves back, or on without the receiver", () => {
    const stored = [...sound.stored, { slug: "s", life: 2, passed: 1 }]
    const third = [...attempts, push(7, 5, 3, 71)]
    assert.deepStrictEqual(kinds({ attempts: third, stored, ends: new Map([[1, 45], [2, 65]]) }), ["cursor"])
    assert.deepStrictEqual(kinds({ stored: [{ slug: "s", life: 1, passed: 4 }] }), ["back", "cursor"])
  })

  it("finds a push of what is not wanted, and of what the log does not hold", () => {
    const unwanted = { ...push(0, 1, 0), events: [{ path, offset: 1, content: "made" }] }
    assert.deepStrictEqual(kinds({ attempts: [unwanted, ...attempts] }), ["wrong"])
    const other = [{ path, offset: 5, content: "other" }]
    assert.deepStrictEqual(kinds({ attempts: changed(6, { events: other }) }), ["wrong"])
  })

  it("finds a gap within a batch", () => {
    const batch = { ...push(1, 2, 1, 11), events: [asked(2), asked(4)] }
    assert.include(kinds({ attempts: [batch, ...attempts.slice(4)] }), "wrong")
  })

  it("takes a batch, and one that is another after a restart", () => {
    const first = { ...push(1, 2, 1, 11), events: wanted.slice(0, 2) }
    const second = { ...push(2, 3, 2, 21), events: wanted.slice(1), webhookId: "msg 3 to 5" }
    const subscriptions = [{ ...subscribed, replies: 0 }]
    const restarted = { attempts: [first, second], log: wanted, stored: [], ends: new Map([[1, 20]]) }
    assert.deepStrictEqual(kinds({ ...restarted, subscriptions }), [])
  })

  it("finds names that change, and names that two pushes share", () => {
    assert.deepStrictEqual(kinds({ attempts: changed(5, { webhookId: "another" }) }), ["id"])
    assert.deepStrictEqual(kinds({ attempts: changed(6, { webhookId: "msg 2" }) }), ["id"])
  })

  it("finds answers that are lost, doubled, mixed, without their cause or out of order", () => {
    const log = (answers: ReadonlyArray<Checker.Logged>) => kinds({ log: [...wanted, ...answers] })
    assert.deepStrictEqual(log(answers.slice(1)), ["reply"])
    assert.deepStrictEqual(log([...answers, answer(10, 5, 6)]), ["reply"])
    assert.deepStrictEqual(log([...answers.slice(0, 3), answer(9, 5, 99)]), ["reply"])
    assert.deepStrictEqual(log([...answers.slice(0, 3), { ...answer(9, 5, 6), cause: undefined }]), ["reply"])
    const cause = { path, offset: 4, processor: "subscription" }
    assert.deepStrictEqual(log([...answers.slice(0, 3), { ...answer(9, 5, 6), cause }]), ["reply"])
    assert.deepStrictEqual(log([answer(7, 2, 1), answer(6, 3, 3), ...answers.slice(2)]), ["reply"])
    assert.deepStrictEqual(log([...answers, answer(10, 1, 6)]), ["reply"])
    const subscriptions = [{ ...subscribed, replies: 2 }]
    const both = wanted.flatMap(({ offset }, i) => {
      const attempt = [1, 3, 5, 6][i] ?? 0
      return [answer(6 + 2 * i, offset, attempt, 0), answer(7 + 2 * i, offset, attempt, 1)]
    })
    assert.deepStrictEqual(kinds({ subscriptions, log: [...wanted, ...both] }), [])
    const mixed = both.map((event) => event.offset === 11 ? answer(11, 4, 4, 1) : event)
    assert.deepStrictEqual(kinds({ subscriptions, log: [...wanted, ...mixed] }), ["reply"])
  })
})

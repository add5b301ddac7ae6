/** Arrivals for the tests of bodies. */
import { assert } from "@effect/vitest"
import { Result } from "effect"
import * as Body from "../../src/http/Body.ts"

/** A POST of a text or bytes. */
export const arriving = (
  body: string | Uint8Array,
  contentType?: string,
  options?: Partial<Omit<Body.Arrival, "body" | "contentType">>
): Body.Arrival => ({
  method: "POST",
  contentType,
  query: {},
  headers: {},
  body: typeof body === "string" ? Buffer.from(body) : body,
  ...options
})

/** The label that curl gives to whatever `-d` sends. */
export const curl = "application/x-www-form-urlencoded"

/** What it becomes; fails the test where it is refused. */
export const accepted = (arrival: Body.Arrival): Body.Decoded => Result.getOrThrow(Body.decode(arrival))

/** Why it is refused; fails the test where it is not. */
export const refused = (arrival: Body.Arrival): Body.Refusal => {
  const decoded = Body.decode(arrival)
  if (Result.isFailure(decoded)) return decoded.failure
  return assert.fail(`accepted as ${JSON.stringify(decoded.success).slice(0, 500)}`)
}

/** The single event that it becomes, with the payload as a value. */
export const single = (arrival: Body.Arrival): { readonly type: string; readonly payload: unknown } => {
  const { batch, events } = accepted(arrival)
  assert.isFalse(batch)
  assert.strictEqual(events.length, 1)
  return { type: events[0].type, payload: JSON.parse(events[0].payload) }
}

/** The payload of the `webhook/received` that it becomes. */
export const received = (arrival: Body.Arrival): { readonly [name: string]: unknown } => {
  const { payload, type } = single(arrival)
  assert.strictEqual(type, "webhook/received")
  return typeof payload === "object" && payload !== null ? { ...payload } : {}
}

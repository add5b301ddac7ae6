/** A group that writes one event to each of some streams. */
import type { StreamPath } from "../../src/domain/StreamPath.ts"
import type { Head } from "../../src/log/CoreState.ts"
import * as Group from "../../src/log/Group.ts"
import { event } from "./suite/Fixture.ts"

/** Decided over heads that may be wrong. */
export const planOf = (heads: ReadonlyMap<StreamPath, Head>, key?: string) =>
  Group.plan(
    [...heads.keys()].map((path) => ({
      path,
      events: [event("b", "{}", key === undefined ? {} : { idempotencyKey: key })]
    })),
    heads,
    new Map(),
    { now: 0, breaker: "off" }
  )

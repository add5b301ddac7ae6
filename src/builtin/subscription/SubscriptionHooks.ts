/** Subscriptions at work: one fiber for each that is not parked, also while their stream is paused. */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import * as Control from "../../domain/ControlEvent.ts"
import * as Domain from "../../domain/Subscription.ts"
import { Egress } from "../../egress/Egress.ts"
import { parsePath } from "../../domain/Proposing.ts"
import { EventStore } from "../../log/EventStore.ts"
import { Growth } from "../../log/Growth.ts"
import type { Services } from "./Delivery.ts"
import * as Delivery from "./Delivery.ts"
import * as FollowReads from "./FollowReads.ts"
import { Jsonata } from "../Jsonata.ts"
import { Secrets } from "../Secrets.ts"
import { has, maxSubscriptions, Subscription } from "./Subscription.ts"

/** The package's own version: the folders of `src` and `dist` are equally deep. */
const version = (): string => {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8")
  const parsed: unknown = JSON.parse(text)
  const found = typeof parsed === "object" && parsed !== null && "version" in parsed ? parsed.version : undefined
  return typeof found === "string" ? found : "unknown"
}

export const layer = Subscription.toLayer(Effect.gen(function*() {
  const growth = yield* Growth
  const services: Services = {
    store: yield* FollowReads.share(yield* EventStore, growth),
    growth,
    egress: yield* Egress,
    jsonata: yield* Jsonata,
    secrets: yield* Secrets,
    userAgent: `millstream/${version()}`
  }
  return Subscription.of({
    afterAppend: {
      "subscription/configured": ({ offset, payload: { slug } }, { emit, state }) =>
        has(state, slug) ? Effect.void : emit(Control.ErrorOccurred.make({
          message: `A stream has at most ${maxSubscriptions} subscriptions: this one is not kept`,
          source: Domain.processor,
          slug,
          offset
        }))
    },
    fibers: {
      deliver: {
        whilePaused: true,
        run: (delivery, fiber) =>
          Effect.flatMap(parsePath(fiber.streamPath), (path) => Delivery.run(services, delivery, path, fiber))
      }
    }
  })
}))

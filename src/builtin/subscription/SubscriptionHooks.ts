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
import { Subscription, unkept, unmet } from "./Subscription.ts"

/** The package's own version: the folders of `src` and `dist` are equally deep. */
const version = (): string => {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8")
  const parsed: unknown = JSON.parse(text)
  const found = typeof parsed === "object" && parsed !== null && "version" in parsed ? parsed.version : undefined
  return typeof found === "string" ? found : "unknown"
}

/** That nothing came of an event is said by another one: silence would be taken for success. */
const told = <E>(
  message: string | undefined,
  slug: string,
  offset: number,
  emit: (event: ReturnType<typeof Control.ErrorOccurred.make>) => Effect.Effect<void, E>
): Effect.Effect<void, E> =>
  message === undefined
    ? Effect.void
    : emit(Control.ErrorOccurred.make({ message, source: Domain.processor, slug, offset }))

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
      "subscription/configured": ({ offset, payload: { slug, ...configuration } }, { emit, previous }) =>
        told(unkept(previous, slug, configuration), slug, offset, emit),
      "subscription/removed": ({ offset, payload, streamPath }, { emit, previous }) =>
        told(unmet(previous, { slug: payload.slug }, streamPath), payload.slug, offset, emit),
      "subscription/resumed": ({ offset, payload, streamPath }, { emit, previous }) =>
        told(unmet(previous, payload, streamPath), payload.slug, offset, emit)
    },
    fibers: {
      deliver: {
        whilePaused: true,
        run: (assignment, fiber) =>
          Effect.flatMap(parsePath(fiber.streamPath), (path) => Delivery.run(services, assignment, path, fiber))
      }
    }
  })
}))

/**
 * What every implementation of the log must do: run `suite` over its layer, whose breaker must be 100/100. The
 * log behind it may hold other streams, but nobody else may write while a test runs.
 */
import { layer as layered } from "@effect/vitest"
import type { Layer } from "effect"
import { appending } from "./suite/Appending.ts"
import type { Log } from "./suite/Fixture.ts"
import { keys } from "./suite/Keys.ts"
import { listing } from "./suite/Listing.ts"
import { model } from "./suite/Model.ts"
import { pausing } from "./suite/Pausing.ts"
import { reading } from "./suite/Reading.ts"
import { removing } from "./suite/Removing.ts"
import { signalling } from "./suite/Signals.ts"
import { texts } from "./suite/Texts.ts"
import { tracing } from "./suite/Tracing.ts"
import { withinPrefix } from "./suite/Within.ts"

export const suite = <E>(name: string, layer: Layer.Layer<Log, E>) =>
  layered(layer, { excludeTestServices: true, timeout: "60 seconds" })(`EventStore ${name}`, (it) => {
    appending(it)
    keys(it)
    pausing(it)
    texts(it)
    reading(it)
    removing(it)
    listing(it)
    tracing(it)
    withinPrefix(it)
    signalling(it)
    model(it)
  })

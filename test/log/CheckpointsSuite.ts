/**
 * What every implementation of checkpoints must do, beside the log that they belong to: run `suite` over its layer,
 * whose breaker must be 100/100. Nobody else may write while a test runs.
 */
import { layer as layered } from "@effect/vitest"
import type { Layer } from "effect"
import type { Checkpoints } from "../../src/log/Checkpoints.ts"
import { adding } from "./suite/Adding.ts"
import { advancing } from "./suite/Advancing.ts"
import { changing } from "./suite/Changing.ts"
import { committing } from "./suite/Committing.ts"
import type { Log } from "./suite/Fixture.ts"
import { instances } from "./suite/Instances.ts"
import { leases } from "./suite/Leases.ts"
import { snapshots } from "./suite/Snapshots.ts"

export const suite = <E>(name: string, layer: Layer.Layer<Log | Checkpoints, E>) =>
  layered(layer, { excludeTestServices: true, timeout: "60 seconds" })(`Checkpoints ${name}`, (it) => {
    leases(it)
    advancing(it)
    adding(it)
    instances(it)
    changing(it)
    committing(it)
    snapshots(it)
  })

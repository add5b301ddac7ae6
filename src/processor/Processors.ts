/** Where processors run: on this server, or elsewhere over HTTP. */
import { Context } from "effect"
import type { Effect, Scope } from "effect"
import type { Any, LayerOptions } from "./Processor.ts"

export class Processors extends Context.Service<Processors, {
  /** Runs a processor on its streams for as long as the scope is open. */
  readonly run: (processor: Any, options: LayerOptions) => Effect.Effect<void, never, Scope.Scope>
}>()("millstream/processor/Processors") {}

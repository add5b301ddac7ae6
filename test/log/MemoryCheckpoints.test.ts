/** Checkpoints in memory do what all checkpoints do. */
import { Layer } from "effect"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { suite } from "./CheckpointsSuite.ts"

suite("memory", MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer)))

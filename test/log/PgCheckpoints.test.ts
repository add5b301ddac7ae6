/** Checkpoints on Postgres do what all checkpoints do. */
import * as TestPostgres from "../TestPostgres.ts"
import { suite } from "./CheckpointsSuite.ts"

suite("Postgres", TestPostgres.log)

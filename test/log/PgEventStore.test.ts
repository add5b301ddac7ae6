/** The log on Postgres does what every log does. */
import * as TestPostgres from "../TestPostgres.ts"
import { suite } from "./EventStoreSuite.ts"

suite("Postgres", TestPostgres.log)

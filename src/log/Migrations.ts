/** Migrations in order. A released one is never edited. */
import log from "./migrations/0001_log.ts"
import processors from "./migrations/0002_processors.ts"
import commits from "./migrations/0003_commits.ts"

export const all = { "0001_log": log, "0002_processors": processors, "0003_commits": commits }

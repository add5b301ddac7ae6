/** Migrations in order. A released one is never edited. */
import log from "./migrations/0001_log.ts"
import appends from "./migrations/0002_appends.ts"
import processors from "./migrations/0003_processors.ts"
import cursors from "./migrations/0004_cursors.ts"
import commits from "./migrations/0005_commits.ts"
import preparations from "./migrations/0006_preparations.ts"

export const all = {
  "0001_log": log,
  "0002_appends": appends,
  "0003_processors": processors,
  "0004_cursors": cursors,
  "0005_commits": commits,
  "0006_preparations": preparations
}

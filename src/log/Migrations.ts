/** Migrations in order. A released one is never edited. */
import log from "./migrations/0001_log.ts"

export const all = { "0001_log": log }

import { defineConfig } from "vitest/config"

// Two forks: most of the suites share the machine with a Postgres of their own, and CI has two cores.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2
  }
})

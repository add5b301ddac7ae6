import { defineConfig } from "vitest/config"

// Three forks on the two cores of CI: the suites that kill and restart a service wait for most of their time.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 3
  }
})

import * as path from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer } from "vitest/node"
import type { TestSpecification } from "vitest/node"

// The service and the command line are started more than a hundred times: what Node compiled once is kept for all.
process.env["NODE_COMPILE_CACHE"] ??= path.join(import.meta.dirname, "node_modules/.cache/node-compile")

/** A fresh clone knows of no durations. What takes longest begins, so that none of it is left alone at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const known = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => /\/faults\/|\/cli\/|Servers|Simulation|Embedded/.test(moduleId)
    return [...known.filter(isLong), ...known.filter((file) => !isLong(file))]
  }
}

// Three forks on the two cores of CI: the suites that kill and restart a service wait for most of their time.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/PostgresTemplate.ts"],
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Each process reads the modules once for all its files, which keep nothing outside their tests.
    isolate: false,
    maxWorkers: 3
  }
})

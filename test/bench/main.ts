/**
 * The benchmark: the product beside its references, in interleaved rounds on one Postgres, printed as ratios. Servers
 * and load generator share the machine, so figures compare servers with each other and nothing else.
 */
import * as os from "node:os"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Arguments from "./Arguments.ts"
import * as Child from "./Child.ts"
import type { Found } from "./Job.ts"
import * as Job from "./Job.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import * as Report from "./Report.ts"
import type { Scenario } from "./Scenario.ts"
import { scenarios } from "./Scenario.ts"
import * as Server from "./Server.ts"

const usage = `npm run bench -- [options]
  --rounds N         rounds of each measurement, 1 to 20 (3)
  --seconds N        seconds of each measurement, 1 to 60 (5)
  --only NAME,...    of ${scenarios.map(({ name }) => name).join(", ")}
  --servers NAME,... of ${Server.names.join(", ")}`

/** Time for a server to finish what a measurement left it with, in milliseconds: connections that close, garbage. */
const settling = 300

/** Where a scenario appends, in every round: `durable` refuses appends once it has seen more than 100 streams. */
const pathOf = (scenario: string): string => `/bench/${scenario}`

const warmUp: Job.Job = {
  kind: "append",
  path: pathOf("append-64x64"),
  connections: 64,
  streams: 64,
  batch: 1,
  seconds: 2
}

const readArguments = () => {
  const text = { type: "string" } as const
  const options = { rounds: text, seconds: text, only: text, servers: text, help: { type: "boolean" } } as const
  const { values } = Arguments.read(() => parseArgs({ options }), usage)
  return {
    help: values.help ?? false,
    rounds: Arguments.count({ name: "rounds", text: values.rounds, otherwise: 3, most: 20 }, usage),
    seconds: Arguments.count({ name: "seconds", text: values.seconds, otherwise: 5, most: 60 }, usage),
    chosen: Arguments.choose({ name: "only", text: values.only }, scenarios, ({ name }) => name, usage),
    names: Arguments.choose({ name: "servers", text: values.servers }, Server.names, (name) => name, usage)
  }
}

await Child.main(async () => {
  const { help, rounds, seconds, chosen, names } = readArguments()
  if (help) return console.log(usage)
  console.log(`${os.availableParallelism()} cores, load average ${Report.number(os.loadavg()[0] ?? 0)}`)
  console.log(`starting and warming up Postgres and ${names.join(", ")}`)
  const postgres = await PostgresCluster.start()
  const servers = new Map<Server.Name, Server.Server>()
  for (const name of names) {
    const server = await Server.start(name, postgres)
    servers.set(name, server)
    // The first measurement would otherwise be that of code that is not compiled yet.
    await Job.run(server, warmUp)
  }

  const measured = new Map<Scenario, Array<Map<Server.Name, Found>>>()
  const filled = new Set<string>()
  const measure = async (scenario: Scenario, server: Server.Server) => {
    const path = pathOf(scenario.name)
    if (scenario.fill !== undefined && !filled.has(`${server.name} ${path}`)) {
      await Job.run(server, scenario.fill(path))
      filled.add(`${server.name} ${path}`)
    }
    await postgres.checkpoint()
    await delay(settling)
    return Job.run(server, scenario.job(path, seconds))
  }
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const scenario of chosen) {
        const results = new Map<Server.Name, Found>()
        measured.set(scenario, [...measured.get(scenario) ?? [], results])
        for (const [name, server] of servers) {
          if (!scenario.servers.includes(name)) continue
          const found = await measure(scenario, server)
          results.set(name, found)
          console.log(`round ${round}/${rounds}  ${scenario.title}: ${name} ${Report.line(scenario, found)}`)
        }
      }
    }
  } finally {
    if (measured.size > 0) console.log(`\n${Report.report(measured)}`)
  }
})

/** The faults, by name: what each does to a service and its Postgres while appends are under way. */
import { setTimeout as delay } from "node:timers/promises"
import * as PostgresProcesses from "./PostgresProcesses.ts"
import type { Strike } from "./World.ts"

/** How long Postgres stands still, in milliseconds: less than the service's patience with one call. */
const frozenFor = 5_000

export const strikes: Readonly<Record<string, Strike>> = {
  /** The service dies; the next one finds its Postgres running. */
  "service-killed": async (service) => {
    await service.kill()
    await service.start()
  },
  /** Every process of Postgres dies at once; the service starts it again. */
  "postgres-killed": async (service) => {
    await PostgresProcesses.kill(service.dataDir)
    await service.ready()
  },
  /** Both die. */
  "both-killed": async (service) => {
    await Promise.all([service.kill(), PostgresProcesses.kill(service.dataDir)])
    await service.start()
  },
  /** Postgres ends every session and shuts down in order; the service starts it again. */
  "postgres-restarted": async (service) => {
    await PostgresProcesses.stop(service.dataDir)
    await service.ready()
  },
  /** Postgres stands still, keeps its connections, and goes on. */
  "postgres-frozen": async (service) => {
    const thaw = PostgresProcesses.freeze(service.dataDir)
    await delay(frozenFor)
    thaw()
    await service.ready()
  },
  /** All connections to Postgres break. */
  "connections-cut": async (service) => {
    await PostgresProcesses.connected(service.dataDir, (client) =>
      client.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()`))
    await service.ready()
  }
}

/**
 * Makes Postgres acknowledge before anything is on disk, and keeps what it has not written as long as it can: what a
 * checker of durability must find out once Postgres is killed.
 */
export const forget: Strike = (service) =>
  PostgresProcesses.connected(service.dataDir, async (client) => {
    for (const setting of ["synchronous_commit = off", "wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'"]) {
      await client.query(`alter system set ${setting}`)
    }
    await client.query("select pg_reload_conf()")
  })

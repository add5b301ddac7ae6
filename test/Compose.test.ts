/**
 * What `docker-compose.yml` says is so in this project, as far as can be seen without Docker: that its commands work is
 * tried by hand, in an empty folder and as an ordinary user.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Path, Schema } from "effect"
import { parse } from "yaml"
import { settings } from "../src/ServiceConfig.ts"

const Healthcheck = Schema.Struct({
  test: Schema.Array(Schema.String),
  interval: Schema.String,
  timeout: Schema.String,
  start_period: Schema.optionalKey(Schema.String),
  retries: Schema.Int
})
const common = {
  environment: Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
  healthcheck: Healthcheck,
  restart: Schema.Literal("unless-stopped")
}
/** Of what Compose knows, what this file uses: a key that is spelled otherwise is refused. */
const Compose = Schema.Struct({
  name: Schema.Literal("millstream"),
  services: Schema.Struct({
    postgres: Schema.Struct({ ...common, image: Schema.String, volumes: Schema.Array(Schema.String) }),
    millstream: Schema.Struct({
      ...common,
      build: Schema.Struct({ context: Schema.Literal("."), dockerfile_inline: Schema.String }),
      ports: Schema.Array(Schema.String),
      depends_on: Schema.Struct({ postgres: Schema.Struct({ condition: Schema.Literal("service_healthy") }) }),
      init: Schema.Boolean
    })
  }),
  volumes: Schema.Record(Schema.String, Schema.Null)
})
const Package = Schema.fromJsonString(Schema.Struct({
  engines: Schema.Struct({ node: Schema.String }),
  scripts: Schema.Struct({ start: Schema.String })
}))
const strict = { onExcessProperty: "error" } as const

layer(NodeServices.layer)("docker-compose.yml", (it) => {
  const read = Effect.fnUntraced(function*(name: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return yield* fs.readFileString(path.resolve(import.meta.dirname, "..", name))
  })
  const compose = Effect.map(read("docker-compose.yml"), (text) =>
    Schema.decodeUnknownSync(Compose)(parse(text), strict))
  /** The instructions of the image, without comments. */
  const image = Effect.map(compose, ({ services: { millstream } }) =>
    millstream.build.dockerfile_inline.split("\n").filter((line) => line !== "" && !line.startsWith("#")))

  it.effect("sets what the service knows, and reaches the Postgres beside it", () =>
    Effect.gen(function*() {
      const { services: { millstream, postgres }, volumes } = yield* compose
      const known = new Set(settings.map(({ name }) => name))
      assert.deepStrictEqual(Object.keys(millstream.environment).filter((name) => !known.has(name)), [])
      const { DATABASE_URL, HOST, MILLSTREAM_TOKEN, PORT } = millstream.environment
      const { POSTGRES_DB, POSTGRES_PASSWORD, POSTGRES_USER } = postgres.environment
      assert.strictEqual(
        DATABASE_URL,
        `postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@postgres:5432/${POSTGRES_DB}`
      )
      assert.strictEqual(HOST, "0.0.0.0")
      // Without one it would not start, and says so before anything is built.
      assert.match(MILLSTREAM_TOKEN ?? "", /^\$\{MILLSTREAM_TOKEN:\?/)
      // Loopback only: Docker would otherwise open the port on every address of the host, past its firewall.
      assert.deepStrictEqual(millstream.ports, [`127.0.0.1:${PORT}:${PORT}`])
      assert.include(millstream.healthcheck.test.join(" "), `http://127.0.0.1:${PORT}/health`)
      assert.deepStrictEqual(postgres.volumes.map((volume) => volume.split(":")[0]), Object.keys(volumes))
    }))

  it.effect("builds from what is there, runs what npm start does, and not as root", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const lines = yield* image
      const sources = lines.filter((line) => line.startsWith("COPY ")).flatMap((line) => line.split(" ").slice(1, -1))
      assert.includeMembers(sources, ["package.json", "package-lock.json", "src"])
      for (const source of sources) {
        assert.isTrue(yield* fs.exists(path.resolve(import.meta.dirname, "..", source)), source)
      }
      const { engines, scripts } = yield* Schema.decodeEffect(Package)(yield* read("package.json"))
      const command: unknown = JSON.parse(lines.at(-1)?.replace(/^CMD /, "") ?? "")
      assert.deepStrictEqual(command, scripts.start.replace(/^exec /, "").split(" "))
      const [, major] = /^FROM node:(\d+)-slim$/.exec(lines[0] ?? "") ?? []
      assert.isAbove(Number(major), Number(/\d+/.exec(engines.node)?.[0]))
      assert.isBelow(lines.indexOf("COPY src src"), lines.indexOf("USER node"))
    }))
})

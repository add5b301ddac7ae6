/** What the log says of something that fails over and over. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it, layer } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, References, Result } from "effect"
import { Growth } from "../../src/log/Growth.ts"
import { HeadCache } from "../../src/log/HeadCache.ts"
import * as Outage from "../../src/log/Outage.ts"
import * as PgNotices from "../../src/log/PgNotices.ts"
import * as PgSetup from "../../src/log/PgSetup.ts"
import { Recent } from "../../src/log/Recent.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { fresh } from "./suite/Fixture.ts"

interface Said {
  readonly level: string
  readonly text: string
}

/** Runs with a log that calls back. */
const listening = (hear: (said: Said) => void) => {
  const logger = Logger.make(({ logLevel, message }) =>
    hear({ level: logLevel, text: [message].flat().map(String).join(" ") }))
  return Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Debug"))
}

it.effect("an outage is told where it begins and where it ends, with its cause", () =>
  Effect.gen(function*() {
    const said: Array<Said> = []
    const told = Outage.make("The look", "the next is soon")
    yield* Effect.gen(function*() {
      for (const isAway of [false, true, true, false, false, true]) {
        const looked = yield* Effect.result(told(isAway ? Effect.fail("away") : Effect.succeed("there")))
        assert.deepStrictEqual(looked, isAway ? Result.fail("away") : Result.succeed("there"))
      }
    }).pipe(Effect.provide(listening((each) => said.push(each))))
    assert.deepStrictEqual(said, [
      { level: "Warn", text: "The look failed: the next is soon away" },
      { level: "Debug", text: "The look still fails away" },
      { level: "Info", text: "The look works again" },
      { level: "Warn", text: "The look failed: the next is soon away" }
    ])
  }))

layer(Layer.merge(TestPostgres.layer, Growth.layer), { excludeTestServices: true, timeout: "60 seconds" })(
  "a look at watched streams that fails",
  (it) => {
    it.effect("is warned of, with what happens next", () =>
      Effect.gen(function*() {
        const growth = yield* Growth
        growth.onStream(fresh(), () => undefined)
        const warned = yield* Deferred.make<string>()
        yield* PgSetup.run
        const sql = yield* PgClient.PgClient
        yield* sql`alter table millstream.streams rename to elsewhere`
        yield* PgNotices.listen("one", { cache: new HeadCache(), recent: new Recent() }).pipe(
          Effect.provide(listening(({ level, text }) => {
            if (level === "Warn") Deferred.doneUnsafe(warned, Effect.succeed(text))
          }))
        )
        assert.include(yield* Deferred.await(warned), "The look at watched streams failed: the next is in 5 seconds")
      }))
  }
)

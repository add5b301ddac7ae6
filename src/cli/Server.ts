/** The server that commands talk to, from the flags that all of them share. */
import { Config, Effect, Option } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import * as Client from "../client/Client.ts"
import * as Connection from "../client/Connection.ts"

export const Url = GlobalFlag.Setting("url")({
  flag: Flag.String("url").pipe(
    Flag.withDescription("Address of the server; MILLSTREAM_URL, else http://127.0.0.1:4000"),
    Flag.withFallbackConfig(Config.NonEmptyString("MILLSTREAM_URL")),
    Flag.withDefault("http://127.0.0.1:4000")
  )
})

export const Token = GlobalFlag.Setting("token")({
  flag: Flag.Redacted("token").pipe(
    Flag.withDescription("Its token; MILLSTREAM_TOKEN"),
    Flag.withFallbackConfig(Config.Redacted("MILLSTREAM_TOKEN")),
    Flag.optional
  )
})

/** One try: a person who waits wants to know that nothing answers. */
const interactive = 1

/** Tries for what takes long and runs alone: about a minute, while a server is replaced. */
export const patient = 10

const options = (attempts: number) =>
  Effect.gen(function*() {
    const token = yield* Token
    return { baseUrl: yield* Url, token: Option.getOrUndefined(token), attempts }
  })

/** HTTP to it, for commands that pass text on as it came. */
export const connection = (attempts: number = interactive) =>
  options(attempts).pipe(Effect.flatMap(Connection.make), Effect.provide(FetchHttpClient.layer))

/** `Streams` over it. */
export const streams = options(interactive).pipe(Effect.flatMap(Client.make), Effect.provide(FetchHttpClient.layer))

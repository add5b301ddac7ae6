#!/usr/bin/env node
/** The command line: `millstream serve` is the service, the other commands talk to one over HTTP. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Schema } from "effect"
import { CliConfig, CliOutput, Command, GlobalFlag, TerminalCapabilities } from "effect/cli"
import { readFileSync } from "node:fs"
import * as Append from "./Append.ts"
import * as Causes from "./Causes.ts"
import * as Delete from "./Delete.ts"
import * as Example from "./Example.ts"
import * as Explain from "./Explain.ts"
import * as Failure from "./Failure.ts"
import * as Ls from "./Ls.ts"
import * as Output from "./Output.ts"
import * as Processors from "./Processors.ts"
import * as Read from "./Read.ts"
import * as Serve from "./Serve.ts"
import * as Server from "./Server.ts"
import * as State from "./State.ts"
import * as Tail from "./Tail.ts"

const millstream = Command.make("millstream").pipe(
  Command.withDescription("Append-only event streams at URLs"),
  Command.withSubcommands([
    Serve.command,
    Append.command,
    Read.command,
    Tail.command,
    Ls.command,
    State.command,
    Causes.command,
    Explain.command,
    Processors.command,
    Delete.command,
    Example.command
  ]),
  Command.withGlobalFlags([Server.Url, Server.Token])
)

/** Help is printed; what is wrong with a command is one line, printed below like every other failure. */
const presenter = CliOutput.layerPresenter({
  present: (event) => event._tag === "InvalidInvocation" ? Effect.void : CliOutput.defaultPresenter.present(event)
})

const builtIns = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

/** The package's own version: the folders of `src` and `dist` are equally deep. */
const { version } = Schema.decodeSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
)

Command.run(millstream, { version }).pipe(
  Effect.catch((error) => {
    const failure = Failure.fromError(error)
    if (failure === undefined) return Effect.void
    const hint = failure.exitCode === 2 ? " (millstream --help tells more)" : ""
    return Effect.andThen(Output.note(`millstream: ${failure.message}${hint}\n`), Effect.fail(failure))
  }),
  Effect.provide(
    Layer.mergeAll(presenter, builtIns, TerminalCapabilities.layer).pipe(Layer.provideMerge(NodeServices.layer))
  ),
  NodeRuntime.runMain
)

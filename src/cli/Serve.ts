/** `millstream serve`: the whole service in this process, configured from the environment. */
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Failure from "./Failure.ts"
import * as Hosting from "./Hosting.ts"

const port = Flag.Int("port").pipe(Flag.withDescription("Port to listen on; PORT, else 4000"), Flag.optional)

const dataDir = Flag.String("data-dir").pipe(
  Flag.withDescription("Folder of the embedded Postgres; MILLSTREAM_DATA_DIR, else ./.millstream"),
  Flag.optional
)

const file = Argument.String("file").pipe(
  Argument.withDescription("A module whose exported Layers, such as a processor's, run on the server"),
  Argument.optional
)

const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Run the Layers of the file anew each time it is saved"),
  Flag.withDefault(false)
)

export const command = Command.make(
  "serve",
  { port, dataDir, file, watch },
  Effect.fnUntraced(function*({ dataDir, file, port, watch }) {
    if (watch && Option.isNone(file)) return yield* Failure.usage("--watch needs a file, such as ./PingPong.ts")
    // The service is read only by the command that runs it: the others start faster without.
    const { layerWith } = yield* Effect.promise(() => import("../main.ts"))
    const flags = ConfigProvider.fromUnknown({
      ...(Option.isSome(port) ? { PORT: String(port.value) } : {}),
      ...(Option.isSome(dataDir) ? { MILLSTREAM_DATA_DIR: dataDir.value } : {})
    })
    const hosted = Option.match(file, { onNone: () => Layer.empty, onSome: (file) => Hosting.layer(file, watch) })
    return yield* Layer.launch(layerWith(hosted)).pipe(
      Effect.provide(ConfigProvider.layerAdd(flags, { asPrimary: true })),
      Effect.mapError((error) => error._tag === "Failure" ? error : Failure.fromStart(error))
    )
  })
).pipe(
  Command.withDescription("Run the server; everything else is configured by the environment"),
  Command.withExamples([
    { command: "millstream serve --port 4000" },
    { command: "millstream serve ./PingPong.ts --watch", description: "Run processors too" }
  ])
)

/** `millstream serve`: the whole service in this process, configured from the environment. */
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Failure from "./Failure.ts"

const port = Flag.Int("port").pipe(Flag.withDescription("Port to listen on; PORT, else 4000"), Flag.optional)

const dataDir = Flag.String("data-dir").pipe(
  Flag.withDescription("Folder of the embedded Postgres; MILLSTREAM_DATA_DIR, else ./.millstream"),
  Flag.optional
)

export const command = Command.make(
  "serve",
  { port, dataDir },
  Effect.fnUntraced(function*({ dataDir, port }) {
    // The service is read only by the command that runs it: the others start faster without.
    const { layer } = yield* Effect.promise(() => import("../main.ts"))
    const flags = ConfigProvider.fromUnknown({
      ...(Option.isSome(port) ? { PORT: String(port.value) } : {}),
      ...(Option.isSome(dataDir) ? { MILLSTREAM_DATA_DIR: dataDir.value } : {})
    })
    return yield* Layer.launch(layer).pipe(
      Effect.provide(ConfigProvider.layerAdd(flags, { asPrimary: true })),
      Effect.mapError(Failure.fromStart)
    )
  })
).pipe(
  Command.withDescription("Run the server; everything else is configured by the environment"),
  Command.withExamples([{ command: "millstream serve --port 4000" }])
)

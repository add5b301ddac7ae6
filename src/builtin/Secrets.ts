/**
 * Secrets by name. Events hold names, so that a stream can be read by anyone; the values come from the environment, as
 * `MILLSTREAM_SECRET_<NAME>`, and are read when they are needed. Known limits: a changed value needs a restart; names
 * that differ only in case, or in what is neither letter nor digit, are one secret, as `a-b`, `a_b` and `A-B` are.
 */
import { Config, ConfigProvider, Context, Effect, Layer, Redacted } from "effect"

export class Secrets extends Context.Service<Secrets, {
  /** The values under a name, several while they are rotated; none where it is not set. */
  readonly get: (name: string) => Effect.Effect<ReadonlyArray<Redacted.Redacted>>
}>()("millstream/builtin/Secrets") {
  static readonly layer = Layer.effect(Secrets, Effect.gen(function*() {
    const provider = yield* ConfigProvider.ConfigProvider
    return Secrets.of({
      get: (name) =>
        Effect.map(
          Effect.orDie(Config.String(variableOf(name)).pipe(Config.withDefault("")).parse(provider)),
          (text) => text.split(/\s+/).filter((value) => value !== "").map((value) => Redacted.make(value))
        )
    })
  }))

  /** These secrets, and no others. */
  static readonly layerOf = (secrets: { readonly [name: string]: string }) =>
    Layer.provide(
      Secrets.layer,
      ConfigProvider.layer(ConfigProvider.fromUnknown(
        Object.fromEntries(Object.entries(secrets).map(([name, value]) => [variableOf(name), value]))
      ))
    )
}

/** The environment's name of a secret: `github-app` is `MILLSTREAM_SECRET_GITHUB_APP`. */
export const variableOf = (name: string): string =>
  `MILLSTREAM_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`

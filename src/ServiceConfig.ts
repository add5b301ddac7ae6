/**
 * Everything that can be set from outside, in one place: name, default, meaning, and what is accepted. An empty
 * variable counts as none, since Compose files pass those on.
 */
import { Config, Context, Layer, Redacted, Result, Schema } from "effect"
import type { Limit } from "./domain/TokenBucket.ts"

export interface Settings {
  readonly host: string
  readonly port: number
  /** None: the service starts a Postgres of its own. */
  readonly databaseUrl: Redacted.Redacted | undefined
  readonly databaseConnections: number
  readonly dataDir: string
  readonly circuitBreaker: Limit | "off"
  readonly token: Redacted.Redacted | undefined
  readonly ingestToken: Redacted.Redacted | undefined
  /** In lower case, with or without a port. */
  readonly allowedHosts: ReadonlyArray<string>
  /** As a browser sends them. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** In lower case. */
  readonly redactedHeaders: ReadonlyArray<string>
  /** As `host:port`, in lower case. */
  readonly allowEgress: ReadonlyArray<string>
  readonly maxTails: number
  readonly requestSeconds: number
  readonly maxHops: number
  readonly leaseSeconds: number
  readonly otlpEndpoint: string | undefined
}

/** What a row of the README's table says of a setting. */
export interface Setting<A> {
  readonly name: string
  /** As it would be written; none where leaving it out is a meaning of its own. */
  readonly fallback: string | undefined
  readonly meaning: string
  readonly value: A
  readonly config: Config.Config<A>
}

const read = <A>(
  name: string,
  fallback: string | undefined,
  meaning: string,
  parse: (text: string) => Result.Result<A, string>,
  value: A
): Setting<A> => {
  const judged = Schema.String.pipe(
    Schema.check(Schema.makeFilter((text: string) => {
      const parsed = parse(text)
      return text === "" || Result.isSuccess(parsed) ? undefined : `${name} takes ${parsed.failure}`
    }))
  )
  const config = Config.schema(judged, name).pipe(
    Config.map((text) => text === "" ? value : Result.getOrThrow(parse(text))),
    Config.withDefault(value)
  )
  return { name, fallback, meaning, value, config }
}

const setting = <A>(
  name: string,
  fallback: string,
  meaning: string,
  parse: (text: string) => Result.Result<A, string>
): Setting<A> => read(name, fallback, meaning, parse, Result.getOrThrow(parse(fallback)))

const optional = <A>(
  name: string,
  meaning: string,
  parse: (text: string) => Result.Result<A, string>
): Setting<A | undefined> => read<A | undefined>(name, undefined, meaning, parse, undefined)

const text = (text: string): Result.Result<string, string> => Result.succeed(text)

const wholeNumber = (least: number, most: number) => (text: string): Result.Result<number, string> =>
  /^[0-9]{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most
    ? Result.succeed(Number(text))
    : Result.fail(`a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)

const list = (what: string, judge: (entry: string) => boolean) => (text: string) => {
  const entries = text.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "")
  const wrong = entries.find((entry) => !judge(entry))
  return wrong === undefined
    ? Result.succeed(entries)
    : Result.fail(`${what}, separated by commas; ${JSON.stringify(wrong)} is none`)
}

const lowerCaseList = (what: string, judge: (entry: string) => boolean) => {
  const parse = list(what, judge)
  return (text: string) => parse(text.toLowerCase())
}

const rate = /^([0-9]+(?:\.[0-9]+)?)\/([0-9]+(?:\.[0-9]+)?)$/
const circuitBreaker = (text: string): Result.Result<Limit | "off", string> => {
  if (text === "off") return Result.succeed(text)
  const [, capacity, refillPerSecond] = rate.exec(text) ?? []
  return Number(capacity) > 0 && Number(refillPerSecond) > 0
    ? Result.succeed({ capacity: Number(capacity), refillPerSecond: Number(refillPerSecond) })
    : Result.fail(`capacity/refillPerSecond, both above 0, such as 100/100, or off; not ${JSON.stringify(text)}`)
}

const isTarget = (text: string): boolean =>
  /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\]):0*[1-9][0-9]*$/.test(text) && URL.canParse(`http://${text}`)

// A refusal of a secret does not repeat it.
const secret = (what: string, judge: RegExp) => (text: string) =>
  judge.test(text) ? Result.succeed(Redacted.make(text)) : Result.fail(what)

const isUrl = (text: string, protocols: ReadonlyArray<string>): boolean =>
  URL.canParse(text) && protocols.includes(new URL(text).protocol)
const isOrigin = (text: string): boolean => isUrl(text, ["http:", "https:"]) && new URL(text).origin === text

/** Each setting under the name that code has for it. */
const table = {
  host: setting("HOST", "127.0.0.1", "Address to listen on; any other than loopback needs `MILLSTREAM_TOKEN`", text),
  port: setting("PORT", "4000", "Port to listen on; `0` takes a free one", wholeNumber(0, 65_535)),
  databaseUrl: optional(
    "DATABASE_URL",
    "Postgres 15 or newer to keep the log in; left out, the service runs one of its own",
    (url) =>
      isUrl(url, ["postgres:", "postgresql:"])
        ? Result.succeed(Redacted.make(url))
        : Result.fail("a URL that begins with postgres://")
  ),
  // Few: appends need one at a time, and the rest is short reads.
  databaseConnections: setting(
    "MILLSTREAM_DATABASE_CONNECTIONS",
    "10",
    "Connections to Postgres for reads; up to 14 more serve appends, processors and signals",
    wholeNumber(3, 1_000)
  ),
  dataDir: setting("MILLSTREAM_DATA_DIR", "./.millstream", "Folder of the service's own Postgres", text),
  circuitBreaker: setting(
    "MILLSTREAM_CIRCUIT_BREAKER",
    "100/100",
    "`capacity/refillPerSecond` of streams that configure none, or `off`",
    circuitBreaker
  ),
  token: optional(
    "MILLSTREAM_TOKEN",
    "Token of all rights, sent as `Authorization: Bearer`",
    secret("letters, digits and signs without spaces", /^[\x21-\x7e]+$/)
  ),
  ingestToken: optional(
    "MILLSTREAM_INGEST_TOKEN",
    "Token that only appends, at `/in/<token>/<path>`",
    secret("letters, digits and - . _ ~, since it is part of a URL", /^[A-Za-z0-9._~-]+$/)
  ),
  allowedHosts: setting(
    "MILLSTREAM_ALLOWED_HOSTS",
    "",
    "Host names, separated by commas, under which the server may be reached beside its own",
    lowerCaseList("host names", (entry) => /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/.test(entry))
  ),
  allowedOrigins: setting(
    "MILLSTREAM_ALLOWED_ORIGINS",
    "",
    "Origins, separated by commas, whose pages may use the server (CORS)",
    list("origins such as https://app.example.com", isOrigin)
  ),
  redactedHeaders: setting(
    "MILLSTREAM_REDACTED_HEADERS",
    "",
    "Request headers, separated by commas, that `webhook/received` leaves out beside those of credentials",
    lowerCaseList("names of headers", (entry) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(entry))
  ),
  allowEgress: setting(
    "MILLSTREAM_ALLOW_EGRESS",
    "",
    "Targets as `host:port`, as URLs write them, separated by commas, that may be sent to although they are loopback or private",
    lowerCaseList("targets as host:port such as localhost:3001", isTarget)
  ),
  // Each holds a socket and at most one page of history.
  maxTails: setting(
    "MILLSTREAM_MAX_TAILS",
    "10000",
    "Tails open at a time; more are answered 503",
    wholeNumber(1, 1_000_000)
  ),
  // A slow sender holds a socket and what it has sent: enough for 8 MiB over a bad line.
  requestSeconds: setting(
    "MILLSTREAM_REQUEST_SECONDS",
    "60",
    "Seconds within which a request must have arrived as a whole",
    wholeNumber(1, 3_600)
  ),
  // Far more than a deliberate chain of processors has, and soon reached by two that feed each other.
  maxHops: setting(
    "MILLSTREAM_MAX_HOPS",
    "256",
    "Crossings from stream to stream in one chain of causes; what would go further is dropped and told",
    wholeNumber(1, 1_000_000)
  ),
  // Longer than a pause of the process usually is: another server takes over when it has run out.
  leaseSeconds: setting(
    "MILLSTREAM_LEASE",
    "5",
    "Seconds for which a server, or an owner elsewhere, acts for a processor without renewing",
    wholeNumber(1, 3_600)
  ),
  otlpEndpoint: optional(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "Where traces, metrics and logs are sent by OTLP, as JSON over HTTP; left out, nowhere",
    (url) => isUrl(url, ["http:", "https:"]) ? Result.succeed(url) : Result.fail("a URL that begins with http")
  )
} satisfies { readonly [Name in keyof Settings]: Setting<Settings[Name]> }

/** All settings, as the README lists them. */
export const settings: ReadonlyArray<Setting<unknown>> = Object.values(table)

/** What holds where nothing is set. */
export const defaults: Settings = {
  host: table.host.value,
  port: table.port.value,
  databaseUrl: table.databaseUrl.value,
  databaseConnections: table.databaseConnections.value,
  dataDir: table.dataDir.value,
  circuitBreaker: table.circuitBreaker.value,
  token: table.token.value,
  ingestToken: table.ingestToken.value,
  allowedHosts: table.allowedHosts.value,
  allowedOrigins: table.allowedOrigins.value,
  redactedHeaders: table.redactedHeaders.value,
  allowEgress: table.allowEgress.value,
  maxTails: table.maxTails.value,
  requestSeconds: table.requestSeconds.value,
  maxHops: table.maxHops.value,
  leaseSeconds: table.leaseSeconds.value,
  otlpEndpoint: table.otlpEndpoint.value
}

/** The settings from the environment. A value that is refused is named, with what the setting takes. */
export const config: Config.Config<Settings> = Config.all({
  host: table.host.config,
  port: table.port.config,
  databaseUrl: table.databaseUrl.config,
  databaseConnections: table.databaseConnections.config,
  dataDir: table.dataDir.config,
  circuitBreaker: table.circuitBreaker.config,
  token: table.token.config,
  ingestToken: table.ingestToken.config,
  allowedHosts: table.allowedHosts.config,
  allowedOrigins: table.allowedOrigins.config,
  redactedHeaders: table.redactedHeaders.config,
  allowEgress: table.allowEgress.config,
  maxTails: table.maxTails.config,
  requestSeconds: table.requestSeconds.config,
  maxHops: table.maxHops.config,
  leaseSeconds: table.leaseSeconds.config,
  otlpEndpoint: table.otlpEndpoint.config
})

/** The settings in force. */
export class ServiceConfig extends Context.Service<ServiceConfig, Settings>()("millstream/ServiceConfig") {
  /** From the environment. */
  static readonly layer = Layer.effect(ServiceConfig, config)
  /** The defaults, except what is given. */
  static readonly layerOptions = (options: Partial<Settings>) =>
    Layer.succeed(ServiceConfig, { ...defaults, ...options })
}

/** How a command fails: one line that says what to do next, and an exit code. */
import { Config, Data, Runtime, Schema, SchemaIssue } from "effect"
import { CliError } from "effect/cli"
import type { PlatformError } from "effect/PlatformError"
import type { StreamError } from "../domain/StreamError.ts"

/** The command was wrong (2), or what it asked for could not be done (1). */
type ExitCode = 1 | 2

/** The line is printed where the program ends; nothing else is. */
export class Failure extends Data.TaggedError("Failure")<{
  readonly message: string
  readonly exitCode: ExitCode
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

const oneLine = (text: string): string => text.trim().replaceAll(/\s*\n\s*/g, " ")

/** The command cannot be understood. */
export const usage = (message: string): Failure => new Failure({ message: oneLine(message), exitCode: 2 })

/** It was understood and could not be done. */
export const failed = (message: string): Failure => new Failure({ message: oneLine(message), exitCode: 1 })

/** The line for an error of the contract: its own sentence, and what the command line has to add. */
export const fromStreamError = (error: StreamError): Failure => {
  switch (error._tag) {
    case "InvalidPath":
      return usage(`${error.message}. Write it like /agents/ada`)
    case "Unauthorized":
      return failed(`${error.message}. Give the token with --token or MILLSTREAM_TOKEN`)
    case "Unavailable":
      return failed(
        error.reason.startsWith("No answer from")
          ? `${error.reason}. Is the server running? \`millstream serve\` starts one, --url names another`
          : error.message
      )
    case "StreamPaused":
      return failed(
        `${error.streamPath} is paused (${error.reason}). ` +
          `To go on: millstream append ${error.streamPath} stream/resumed`
      )
    case "InvalidEvent":
      return failed(
        error.example === undefined ? error.message : `${error.message}. For example: ${JSON.stringify(error.example)}`
      )
    default:
      return failed(error.message)
  }
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** Why the service did not start. A refused setting says by itself what it is called and what it takes. */
export const fromStart = (error: unknown): Failure => {
  if (error instanceof Config.ConfigError && Schema.isSchemaError(error.cause)) {
    return failed(issuesOf(error.cause.issue).issues.map(({ message }) => message).join("; "))
  }
  return failed(error instanceof Error ? error.message : String(error))
}

/** Whatever a command failed with, as its line; `undefined` where there is nothing to say. */
export const fromError = (error: StreamError | PlatformError | Failure | CliError.CliError): Failure | undefined => {
  if (error instanceof Failure) return error
  if (CliError.isCliError(error)) {
    if (error._tag !== "ShowHelp") return usage(error.message)
    return error.errors.length === 0 ? undefined : usage(error.errors.map(({ message }) => message).join("; "))
  }
  if (error._tag !== "PlatformError") return fromStreamError(error)
  return hasNoReader(error) ? undefined : failed(error.message)
}

/** Whoever read the output has enough: `millstream read / | head`. */
const hasNoReader = ({ cause }: PlatformError): boolean =>
  cause instanceof Error && "code" in cause && cause.code === "EPIPE"

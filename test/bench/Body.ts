/** The whole body of a request to a reference server, as text. Without a limit: only the load generator calls. */
import type { IncomingMessage } from "node:http"

/** Calls `done` with the text when it is complete; a single chunk, the usual case, is not copied. */
export const read = (request: IncomingMessage, done: (text: string) => void): void => {
  let first: Buffer | undefined
  let others: Array<Buffer> | undefined
  request.on("data", (chunk: Buffer) => {
    if (first === undefined) first = chunk
    else (others ??= []).push(chunk)
  })
  request.on("end", () => {
    if (first === undefined) done("")
    else done(others === undefined ? first.toString() : Buffer.concat([first, ...others]).toString())
  })
}

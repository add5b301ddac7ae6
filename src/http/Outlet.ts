/**
 * The answer to a reader, written straight to its socket: a live page goes from the appender's turn to a
 * thousand sockets without a fiber in between. Holds at most one page beside what the socket holds.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Data, Effect } from "effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { ServerResponse } from "node:http"

/** How long a socket may take nothing before it is closed; its reader resumes by id and misses nothing. */
const drainTime = "30 seconds"

/** The reader has gone, or took nothing for too long. */
export class ReaderGone extends Data.TaggedError("ReaderGone") {}

export class Outlet {
  private readonly response: ServerResponse

  constructor(request: HttpServerRequest) {
    const response = NodeHttpServerRequest.toServerResponse(request)
    if (!(response instanceof ServerResponse)) throw new Error("Streams are read over HTTP/1.1")
    this.response = response
  }

  open(headers: { readonly [name: string]: string }): void {
    this.response.writeHead(200, headers)
    this.response.flushHeaders()
  }

  /** False where the socket wants no more until it has drained. */
  write(chunk: string | Buffer): boolean {
    return chunk.length === 0 || (this.isOpen && this.response.write(chunk))
  }

  get isOpen(): boolean {
    return !this.response.writableEnded && !this.response.destroyed
  }

  /** Whether headers were sent, so that nothing else can be answered. */
  get isStarted(): boolean {
    return this.response.headersSent
  }

  /** Waits until the socket takes more. */
  readonly drained: Effect.Effect<void, ReaderGone> = Effect.callback<void, ReaderGone>((resume) => {
    const { response } = this
    if (!this.isOpen) return resume(Effect.fail(new ReaderGone()))
    if (!response.writableNeedDrain) return resume(Effect.void)
    const onDrain = () => resume(Effect.void)
    response.once("drain", onDrain)
    return Effect.sync(() => response.off("drain", onDrain))
  }).pipe(
    Effect.timeoutOrElse({ duration: drainTime, orElse: () => Effect.fail(new ReaderGone()) }),
    Effect.tapError(() => Effect.sync(() => this.response.destroy()))
  )

  /** Writes and waits for room. */
  send(chunk: string | Buffer): Effect.Effect<void, ReaderGone> {
    return Effect.suspend(() => this.write(chunk) ? Effect.void : this.drained)
  }

  /** Ends the answer as complete. */
  end(): void {
    this.response.end()
  }

  /** Breaks it off, so that nobody takes it for complete. */
  destroy(): void {
    this.response.destroy()
  }
}

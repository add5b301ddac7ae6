/**
 * The answer to a reader, written straight to its socket in frames of our own: a live page goes from the
 * appender's turn to a thousand sockets as one buffer, without a fiber in between. A socket is given a slice at a time
 * (two where the first is short); what waits is at most one page, in the same memory for all who got it together.
 */
import { Data, Effect } from "effect"
import type { ServerResponse } from "node:http"

/** How long a socket may take nothing before it is closed; its reader resumes by id and misses nothing. */
const drainTime = "30 seconds"

/** What a reader must take within that time, in bytes: what is slower is no connection to live on. */
const sliceBytes = 65_536

/** The reader has gone, or took nothing for too long. */
export class ReaderGone extends Data.TaggedError("ReaderGone") {}

/** Text for sockets, framed once as a chunk of HTTP/1.1 however many of them get it. */
export class Chunk {
  readonly framed: Buffer
  private readonly start: number
  private cut: ReadonlyArray<Chunk> | undefined = undefined

  constructor(content: string | Buffer) {
    const length = Buffer.byteLength(content)
    const size = `${length.toString(16)}\r\n`
    this.start = size.length
    this.framed = Buffer.allocUnsafe(size.length + length + 2)
    this.framed.write(size, 0, "latin1")
    if (typeof content === "string") this.framed.write(content, size.length, "utf8")
    else content.copy(this.framed, size.length)
    this.framed.write("\r\n", size.length + length, "latin1")
  }

  /** Without its frame: for HTTP/1.0. */
  get plain(): Buffer {
    return this.framed.subarray(this.start, -2)
  }

  /** A frame without content would end the answer. */
  get isEmpty(): boolean {
    return this.framed.length === this.start + 2
  }

  /** Its parts of at most a slice, cut once however many sockets get them. */
  get slices(): ReadonlyArray<Chunk> {
    return this.cut ??= this.plain.length <= sliceBytes ? [this] : slicesOf(this.plain)
  }
}

const slicesOf = (plain: Buffer): ReadonlyArray<Chunk> => {
  const slices: Array<Chunk> = []
  for (let at = 0; at < plain.length;) {
    // Behind a line where there is one, so that an event is not cut without need.
    const line = plain.lastIndexOf("\n", at + sliceBytes - 1) + 1
    const end = line > at ? line : at + sliceBytes
    slices.push(new Chunk(plain.subarray(at, end)))
    at = end
  }
  return slices
}

export class Outlet {
  private readonly response: ServerResponse
  /** Slices of what was begun. */
  private waiting: Array<Chunk> = []

  constructor(response: ServerResponse) {
    this.response = response
  }

  open(headers: { readonly [name: string]: string }): void {
    this.response.writeHead(200, headers)
    this.response.flushHeaders()
  }

  /** Takes all of it and writes what the socket wants now; false where it wants no more: then `flushed` goes on. */
  write(chunk: Chunk): boolean {
    if (chunk.isEmpty) return true
    this.waiting.push(...chunk.slices)
    return this.pump()
  }

  /** The same for what tells that the connection lives: left out where something waits, which must not be torn. */
  beat(chunk: Chunk): void {
    if (this.isStarted && this.waiting.length === 0) this.write(chunk)
  }

  /** Writes what waits; false where the socket wants no more until it has drained. */
  private pump(): boolean {
    for (let slice = this.waiting.shift(); slice !== undefined; slice = this.waiting.shift()) {
      if (!this.put(slice)) return false
    }
    return true
  }

  private put(slice: Chunk): boolean {
    if (!this.isOpen) return false
    const { chunkedEncoding, socket } = this.response
    return chunkedEncoding && socket !== null ? socket.write(slice.framed) : this.response.write(slice.plain)
  }

  get isOpen(): boolean {
    return !this.response.writableEnded && !this.response.destroyed
  }

  /** Whether headers were sent, so that nothing else can be answered. */
  get isStarted(): boolean {
    return this.response.headersSent
  }

  /** Waits until the socket takes more. */
  private readonly drained: Effect.Effect<void, ReaderGone> = Effect.callback<void, ReaderGone>((resume) => {
    const { response } = this
    if (!this.isOpen) return resume(Effect.fail(new ReaderGone()))
    const drains = response.socket ?? response
    if (!drains.writableNeedDrain) return resume(Effect.void)
    const onDrain = () => resume(Effect.void)
    drains.once("drain", onDrain)
    return Effect.sync(() => drains.off("drain", onDrain))
  }).pipe(
    Effect.timeoutOrElse({ duration: drainTime, orElse: () => Effect.fail(new ReaderGone()) }),
    Effect.tapError(() => Effect.sync(() => this.response.destroy()))
  )

  /** Writes what waits, as the socket takes it: a slow reader is given the drain time for each slice. */
  readonly flushed: Effect.Effect<void, ReaderGone> = Effect.gen({ self: this }, function*() {
    do yield* this.drained
    while (!this.pump())
  })

  /** Writes and waits for room. */
  send(chunk: Chunk): Effect.Effect<void, ReaderGone> {
    return Effect.suspend(() => this.write(chunk) ? Effect.void : this.flushed)
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

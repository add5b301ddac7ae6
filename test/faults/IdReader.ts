/**
 * A tail that looks at nothing but the ids of events, so that a thousand of them fit on one machine. It can stop taking
 * anything from its socket, and resumes by id when its connection has ended.
 */
import * as http from "node:http"

export class IdReader {
  private readonly port: number
  private readonly path: string
  private readonly query: string
  private request: http.ClientRequest | undefined
  private response: http.IncomingMessage | undefined
  private rest = ""
  private stopped = false
  private paused = false
  /** Offset of the last event that was seen. */
  last = 0
  /** What was wrong: an offset that is not the next. */
  gap: string | undefined
  caughtUp = false
  connections = 0

  constructor(port: number, path: string, query = "") {
    this.port = port
    this.path = path
    this.query = query
    this.connect()
  }

  /** Takes nothing any more; the socket fills up. */
  pause(): void {
    this.paused = true
    this.response?.pause()
  }

  resume(): void {
    this.paused = false
    if (this.response === undefined) this.connect()
    else this.response.resume()
  }

  /** Bytes that were taken from the socket of this connection. */
  get taken(): number {
    return this.request?.socket?.bytesRead ?? 0
  }

  stop(): void {
    this.stopped = true
    this.request?.destroy()
  }

  private connect(): void {
    if (this.stopped || this.paused) return
    this.rest = ""
    const headers = { accept: "text/event-stream", ...(this.last === 0 ? {} : { "last-event-id": String(this.last) }) }
    const path = `/api/streams${this.path}${this.query}`
    const request = http.get({ host: "127.0.0.1", port: this.port, path, headers, agent: false })
    this.request = request
    // Its close follows, and says what matters.
    request.once("error", () => undefined)
    request.once("close", () => {
      this.response = undefined
      setTimeout(() => this.connect(), 20)
    })
    request.once("response", (response) => {
      if (response.statusCode !== 200) return void request.destroy()
      this.connections += 1
      this.response = response
      response.setEncoding("latin1")
      response.on("error", () => undefined)
      response.on("data", (chunk: string) => this.take(chunk))
    })
  }

  private take(chunk: string): void {
    const lines = (this.rest + chunk).split("\n")
    this.rest = lines.pop() ?? ""
    for (const line of lines) {
      if (line.startsWith("id: ")) {
        const id = Number(line.slice(4))
        if (id !== this.last + 1) this.gap ??= `${id} came after ${this.last}`
        this.last = id
      } else if (line === "event: caught-up") this.caughtUp = true
    }
  }
}

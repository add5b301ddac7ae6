/**
 * The network between a program and a server: a TCP proxy that can break, or hold back what is sent and pass it on
 * late.
 */
import { Effect } from "effect"
import type { AddressInfo, Socket } from "node:net"
import { createConnection, createServer } from "node:net"

export interface Line {
  readonly baseUrl: string
  /** `pass`; `break`: every connection is cut, and new ones too; `hold`: nothing gets through until it passes again. */
  readonly set: (mode: "pass" | "break" | "hold") => void
}

/** A line to a port of this machine, until the scope ends. */
export const make = (port: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Line & { readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        let mode: Parameters<Line["set"]>[0] = "pass"
        const keep = (socket: Socket, other: Socket) => {
          sockets.add(socket)
          if (mode === "hold") socket.pause()
          socket.on("data", (chunk) => other.write(chunk))
          socket.on("error", () => socket.destroy())
          socket.on("close", () => {
            sockets.delete(socket)
            other.destroy()
          })
        }
        const server = createServer((client) => {
          if (mode === "break") return void client.destroy()
          const upstream = createConnection({ host: "127.0.0.1", port })
          keep(client, upstream)
          keep(upstream, client)
        })
        const destroyAll = () => {
          for (const socket of sockets) socket.destroy()
        }
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed({
            baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            set: (next) => {
              mode = next
              if (mode === "break") return destroyAll()
              for (const socket of sockets) {
                if (mode === "hold") socket.pause()
                else socket.resume()
              }
            },
            close: () => {
              destroyAll()
              server.close()
            }
          })))
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ baseUrl, set }): Line => ({ baseUrl, set })
  )

/** A port of 127.0.0.1 that nobody listens on. It is not held: another program may take it before it is used. */
import { createServer } from "node:net"

/** Asks the system for a free port and gives it back. */
export const find = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no free port")))
    })
  })

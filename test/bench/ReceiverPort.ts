/** Where a receiver listens: a port of 127.0.0.1 that is held for as long as its server listens. */
import type { Server } from "node:net"

/** Listens, on a free port where it is 0, and tells the port. */
export const listen = (server: Server, port = 0): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject)
      const address = server.address()
      if (typeof address === "object" && address !== null) resolve(address.port)
      else reject(new Error("no port"))
    })
  })

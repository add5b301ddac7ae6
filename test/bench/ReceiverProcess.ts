/**
 * Receivers of pushes in a process of their own, each on its own port of 127.0.0.1. Its argument says which there are
 * and how they behave; a control port tells what arrived and changes how they behave. Times are milliseconds of the
 * machine's monotonic clock, which other processes share. Known limit: what arrived is kept until it is cleared.
 */
import * as http from "node:http"
import type { Arrival, Asked } from "./Receiver.ts"
import type { Mode } from "./ReceiverMode.ts"
import { answer, bad, vanishing, takes } from "./ReceiverMode.ts"
import { listen } from "./ReceiverPort.ts"

interface Receiver {
  readonly server: http.Server
  readonly port: number
  readonly arrivals: Array<Arrival>
  /** Pushes that were not taken. */
  refused: number
  mode: Mode
  timer: NodeJS.Timeout | undefined
}

const asked: ReadonlyArray<Asked> = JSON.parse(process.argv[2] ?? "[]")
const receivers = new Map<string, Receiver>()
const now = (): number => Number(process.hrtime.bigint()) / 1e6
const modes: ReadonlyArray<Mode> = ["healthy", ...bad]
const header = (request: http.IncomingMessage, name: string): string => String(request.headers[name] ?? "")

/** The numbers of the events that a body holds. */
const numbers = (body: string): ReadonlyArray<number> =>
  [...body.matchAll(/"id":"(\d{8})"/g)].map(([, digits]) => Number(digits))

const open = async (mode: Mode): Promise<Receiver> => {
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const chunks: Array<Buffer> = []
    request.on("error", () => undefined)
    response.on("error", () => undefined)
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const at = now()
      const { mode } = receiver
      answer(mode, request, response, `http://127.0.0.1:${receivers.get("trap")?.port ?? 9}/`)
      if (!takes(mode)) {
        receiver.refused += 1
        return
      }
      const ids = numbers(Buffer.concat(chunks).toString())
      const webhookId = header(request, "webhook-id")
      receiver.arrivals.push({ webhookId, slug: header(request, "millstream-subscription"), ids, at })
    })
  })
  server.on("connection", (socket) => socket.on("error", () => undefined))
  const port = await listen(server)
  const receiver: Receiver = { server, port, arrivals: [], refused: 0, mode, timer: undefined }
  return receiver
}

/** Away and back again, until it behaves otherwise. */
const vanish = (receiver: Receiver): void => {
  receiver.timer = setTimeout(() => {
    receiver.server.close()
    receiver.server.closeAllConnections()
    const back = () => void listen(receiver.server, receiver.port).then(() => vanish(receiver))
    receiver.timer = setTimeout(back, vanishing.away)
  }, vanishing.there)
}

/** From now on it behaves like this; what hangs is let go, as in a restart. */
const behave = async (receiver: Receiver, mode: Mode): Promise<void> => {
  clearTimeout(receiver.timer)
  receiver.mode = mode
  receiver.server.closeAllConnections()
  if (!receiver.server.listening) await listen(receiver.server, receiver.port)
  if (mode === "vanish") vanish(receiver)
}

for (const { name, mode } of asked) receivers.set(name, await open(mode))
for (const receiver of receivers.values()) if (receiver.mode === "vanish") vanish(receiver)

const control = http.createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://control")
  const chosen = url.searchParams.getAll("name").flatMap((name) => receivers.get(name) ?? [])
  const reply = (value: unknown) => response.writeHead(200).end(JSON.stringify(value))
  const tell = (count: boolean) =>
    Object.fromEntries([...receivers].map(([name, { arrivals, refused }]) =>
      [name, count ? { arrivals: arrivals.length, refused } : arrivals]))
  switch (url.pathname) {
    case "/behave":
      return void Promise.all(chosen.map((receiver) =>
        behave(receiver, modes.find((mode) => mode === url.searchParams.get("mode")) ?? "healthy")
      )).then(reply)
    case "/clear":
      for (const receiver of receivers.values()) {
        receiver.arrivals.length = 0
        receiver.refused = 0
      }
      return void reply(null)
    default:
      return void reply(tell(url.pathname === "/counts"))
  }
})
process.stdin.once("end", () => process.exit(0)).resume()
const ports = Object.fromEntries([...receivers].map(([name, { port }]) => [name, port]))
console.log(JSON.stringify({ control: await listen(control), ports }))

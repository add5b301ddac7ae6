/**
 * The ceiling: what plain `node:http` with `JSON.parse` reaches when nothing is stored. Tails are served from memory
 * and begin at the end; there is no history to read.
 */
import * as http from "node:http"
import * as Body from "./Body.ts"
import * as Reference from "./Reference.ts"

const heads = new Map<string, number>()
const tails = new Map<string, Set<http.ServerResponse>>()

const append = (streamPath: string, body: string, response: http.ServerResponse): void => {
  const inputs = Reference.events(body)
  const createdAt = new Date().toISOString()
  let head = heads.get(streamPath) ?? 0
  const stored = inputs.map((input) => {
    head += 1
    return { head, json: Reference.stored(input, JSON.stringify(input.payload ?? {}), streamPath, head, createdAt) }
  })
  heads.set(streamPath, head)
  const events = stored.map(({ json }) => json)
  Reference.reply(response, body.startsWith("[") ? `[${events.join(",")}]` : events.join(""))
  const listening = tails.get(streamPath)
  if (listening === undefined) return
  const frames = stored.map(({ head, json }) => Reference.frame(head, json)).join("")
  for (const tail of listening) tail.write(frames)
}

const tail = (streamPath: string, response: http.ServerResponse): void => {
  const listening = tails.get(streamPath) ?? new Set()
  tails.set(streamPath, listening.add(response))
  response.once("close", () => listening.delete(response))
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(Reference.greeting + Reference.caughtUp(heads.get(streamPath) ?? 0))
}

Reference.serve((request, response) => {
  const { streamPath } = Reference.address(request)
  if (request.method === "POST") Body.read(request, (body) => append(streamPath, body, response))
  else tail(streamPath, response)
})

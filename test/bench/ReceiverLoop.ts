/**
 * What pushing could cost at best: one `undici` client that sends the events of a stream one after the other, with the
 * headers of a real push. Prints the rate as a line of JSON, and ends.
 */
import { Client } from "undici"

interface Loop {
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  /** Where the events are read, as NDJSON. */
  readonly source: string
}

const { headers, source, url }: Loop = JSON.parse(process.argv[2] ?? "")
const bodies = (await (await fetch(source)).text()).split("\n").filter((line) => line !== "")
const { origin, pathname } = new URL(url)
const client = new Client(origin)

const send = async (body: string): Promise<void> => {
  const answer = await client.request({ path: pathname, method: "POST", headers, body })
  await answer.body.dump()
}
// The first requests would be those of code that is not compiled yet.
for (const body of bodies.slice(0, 500)) await send(body)
const began = performance.now()
for (const body of bodies) await send(body)
const seconds = (performance.now() - began) / 1_000
await client.close()
console.log(JSON.stringify({ rate: bodies.length / seconds, requests: bodies.length }))

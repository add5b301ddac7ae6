/** The lightest receiver, as the benchmark that started it sees it. */
import * as path from "node:path"
import * as Child from "./Child.ts"

/** What came since it was asked to begin. Times are milliseconds of the machine's monotonic clock. */
export interface Counted {
  readonly events: number
  readonly requests: number
  readonly first: number
  readonly last: number
  /** The first request up to its body. */
  readonly head: string
}

export interface ReceiverCount {
  readonly url: string
  readonly target: string
  /** Forgets what came; from now on so many events are waited for. */
  readonly begin: (count: number) => Promise<void>
  /** Answers once they have come. */
  readonly counted: () => Promise<Counted>
  readonly sofar: () => Promise<Counted>
  readonly pid: number
}

export const start = async (): Promise<ReceiverCount> => {
  const program = path.join(import.meta.dirname, "ReceiverCounter.ts")
  const child = Child.start("counter", process.execPath, [program], { tied: true })
  const { control, port }: { readonly port: number; readonly control: number } = JSON.parse(await child.greeting)
  const ask = (pathAndQuery: string) => fetch(`http://127.0.0.1:${control}${pathAndQuery}`)
  const read = async (pathAndQuery: string): Promise<Counted> => {
    const found: Counted = JSON.parse(await (await ask(pathAndQuery)).text())
    return found
  }
  return {
    url: `http://127.0.0.1:${port}/hook`,
    target: `127.0.0.1:${port}`,
    begin: async (count) => {
      await ask(`/begin?count=${count}`)
    },
    counted: () => read("/counted"),
    sofar: () => read("/so-far"),
    pid: child.pid
  }
}

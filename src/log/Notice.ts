/** What a process tells others when it has written: its own id, and which streams. */
import * as Control from "../domain/ControlEvent.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type * as Group from "./Group.ts"

/** Bound of a notice in bytes: Postgres takes 8,000, and past this everyone looks at everything. */
const maxBytes = 7_000

/** `!` stands where control events are among it that the server's processors consume, `-` where a stream is gone. */
export const of = (server: string, { events, heads }: Pick<Group.Plan, "events" | "heads">): string => {
  const rare = new Set<StreamPath>()
  for (const { streamPath, type } of events) if (Control.consumed.has(type)) rare.add(streamPath)
  let text = server
  for (const [path, head] of heads) {
    text += `\n${head.exists ? rare.has(path) ? "!" : "+" : "-"}${path}`
    if (text.length > maxBytes) return `${server}\n*`
  }
  return text
}

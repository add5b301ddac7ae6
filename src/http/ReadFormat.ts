/** The forms in which events are read: server-sent events, a JSON array, lines of JSON, and YAML documents. */
import type { JsonText } from "../domain/EventText.ts"
import * as YamlText from "./YamlText.ts"

export type Name = "sse" | "json" | "ndjson" | "yaml"

export interface ReadFormat {
  readonly contentType: string
  /** What comes before the first event. */
  readonly open: string
  /** One event; `id` is the place to resume after. */
  readonly event: (id: string, line: JsonText) => string
  /** Whether it has a place for what is no event, so that programs rely on it. */
  readonly isFramed: boolean
  /** Said once, where history ends and the answer stays open. */
  readonly caughtUp: (place: Place) => string
  /** Said where the stream was deleted. */
  readonly deleted: string
  /** Keeps the connection alive through whatever is between; empty where the format has no comments. */
  readonly heartbeat: string
}

/** Where a reader is: an offset of one stream, or a cursor across streams. */
export type Place = { readonly offset: number } | { readonly cursor: string }

/** Milliseconds after which a browser reconnects. */
const retry = 1_000

export const formats: { readonly [name in Exclude<Name, "json">]: ReadFormat } = {
  sse: {
    contentType: "text/event-stream",
    isFramed: true,
    open: `retry: ${retry}\n\n`,
    event: (id, line) => `id: ${id}\ndata: ${line}\n\n`,
    caughtUp: (place) => `event: caught-up\ndata: ${JSON.stringify(place)}\n\n`,
    deleted: "event: deleted\ndata: {}\n\n",
    heartbeat: ": still here\n\n"
  },
  ndjson: {
    contentType: "application/x-ndjson",
    isFramed: false,
    open: "",
    event: (_, line) => `${line}\n`,
    caughtUp: () => "",
    deleted: "",
    // An empty line between two lines of JSON is none.
    heartbeat: "\n"
  },
  yaml: {
    contentType: "application/yaml; charset=utf-8",
    isFramed: false,
    open: "",
    event: (_, line) => `---\n${YamlText.fromJson(line)}`,
    caughtUp: (place) =>
      `# ${"offset" in place ? `offset ${place.offset}` : `cursor ${place.cursor}`} is the last; ` +
      "new events follow (?live=false closes)\n",
    deleted: "# the stream was deleted\n",
    heartbeat: "# still here\n"
  }
}

/** What a reader gets that did not ask: people's YAML for a bare curl and an address bar, else server-sent events. */
export const negotiate = (accept: string | undefined, userAgent: string | undefined): Name | "text" => {
  for (const wanted of (accept ?? "").split(",")) {
    switch (wanted.split(";")[0]?.trim()) {
      case "text/event-stream":
        return "sse"
      case "application/json":
        return "json"
      case "application/x-ndjson":
      case "application/ndjson":
      case "application/jsonl":
        return "ndjson"
      case "application/yaml":
      case "application/x-yaml":
      case "text/yaml":
        return "yaml"
      case "text/html":
        return "text"
    }
  }
  return userAgent?.startsWith("curl/") === true ? "yaml" : "sse"
}

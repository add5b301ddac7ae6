/** What arrived and is no event, as the event that says so. */
import { WebhookReceived } from "../domain/ControlEvent.ts"
import type { JsonText, Proposed } from "../domain/EventText.ts"
import type { Verification } from "../domain/Verification.ts"

/** Values by name; several where a name was repeated. */
export type Named = { readonly [name: string]: string | ReadonlyArray<string> | undefined }

/** What the event tells of its request beside the body. */
export interface Request {
  readonly method: string
  readonly contentType: string | undefined
  readonly query: Named
  readonly headers: Named
}

/** Headers that are never recorded: whoever reads the stream could act as who sent them. */
export const credentials: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"])

/** The type of the event that keeps a body which is none. */
export const { type } = WebhookReceived

/** The event of a body. `redacted` are more headers to leave out, in lower case. */
export const webhook = (
  request: Request,
  body: JsonText,
  raw: string | undefined,
  reason: string,
  redacted: ReadonlySet<string>
): Proposed => ({
  type,
  payload: `{"reason":${JSON.stringify(reason)},"method":${JSON.stringify(request.method)}` +
    `,"contentType":${JSON.stringify(request.contentType ?? null)}` +
    `,"query":${named(request.query, () => false)}` +
    `,"headers":${named(request.headers, (name) => credentials.has(name) || redacted.has(name))}` +
    `,"body":${body}${raw === undefined ? "" : `,"raw":${JSON.stringify(raw)}`}}`
})

/** The same event, told to have carried that provider's signature. */
export const verifiedBy = (event: Proposed, provider: Verification["provider"]): Proposed => ({
  ...event,
  payload: `${event.payload.slice(0, -1)},"verified":${JSON.stringify(provider)}}`
})

/** Member by member, so that `__proto__` is a name like any other. */
const named = (values: Named, isLeftOut: (name: string) => boolean): JsonText => {
  const members: Array<string> = []
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && !isLeftOut(name.toLowerCase())) {
      members.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`)
    }
  }
  return `{${members.join(",")}}`
}

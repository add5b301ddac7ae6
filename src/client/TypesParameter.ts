/** What is asked of the server for the types that a reader named. Events are decoded by the domain's `Typed`. */
import type * as EventType from "../domain/EventType.ts"

/** The `types` parameter; none where all are wanted, or where a comma in a name leaves the choice to the reader. */
export const from = (types: ReadonlyArray<EventType.Any> | undefined): string | undefined =>
  types === undefined || types.length === 0 || types.some(({ type }) => type.includes(","))
    ? undefined
    : [...new Set(types.map(({ type }) => type))].join(",")

/**
 * Writes groups that are as most are: their streams exist, each is written, and all heads are as they were promised.
 * One call each, which may be made before the one ahead of it is answered. Whatever is otherwise is not written, and
 * left to `PgCommitter`, which looks step by step.
 */
import type { Parameter } from "@effect/sql-pg/PgTypes"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type * as Group from "./Group.ts"
import { arrange } from "./GroupColumns.ts"
import { arrange as arrangeGuards } from "./GuardColumns.ts"
import * as Notice from "./Notice.ts"
import { bigints, ints, placeholders, texts, times } from "./PgArrays.ts"
import type { PgPipe } from "./PgPipe.ts"

export interface PgAtHeads {
  /**
   * The log's time, in milliseconds since 1970; none where a key is known. Fails as not serializable where a head is not
   * as it was promised, or the batch `after` which this one must come was not committed; as breaking a constraint where
   * a lease or an instance is not.
   */
  readonly write: (
    batch: number,
    plan: Group.Plan,
    after: number | undefined
  ) => Effect.Effect<number | undefined, SqlError>
}

/** Parameters of a group: those that are always there, and all of them. */
const [fewest, most] = [12, 21]
/** Constants, since the hottest statements must not be put together anew for each call; by how many are left out. */
const appendAtHeads = Array.from({ length: most - fewest + 1 }, (_, without) =>
  `select millstream.append_at_heads($1::bigint, $2::bigint, $3::bigint, $4::text,
  ${placeholders(5, most - without)}) as clock`)
const commitAtHeads = `select millstream.commit_at_heads($1::bigint, $2::bigint, $3::bigint, $4::text,
  ${placeholders(5, most)}, ${placeholders(22, 40)}, $41::bigint) as clock`

/** Whether a plan only writes to streams that exist, and to all that it looked at. */
export const isMeant = ({ events, heads, looked }: Group.Plan): boolean => {
  if (events.length === 0 || heads.size !== looked.size) return false
  for (const { exists, id } of looked.values()) if (id === undefined || !exists) return false
  return true
}

/** `writer` is the committer that settles the batches, `server` names this process in the notices that others hear. */
export const make = (pipe: PgPipe, writer: bigint, server: string): PgAtHeads => {
  // Each parameter costs Postgres about a microsecond, also one that is null: the last ones are left out.
  const append = (parameters: ReadonlyArray<Parameter | bigint | string | null>) => {
    let without = 0
    while (without < most - fewest && parameters[most - without - 1] === null) without += 1
    return pipe.query(appendAtHeads[without] ?? "", parameters.slice(0, most - without))
  }
  const write: PgAtHeads["write"] = (batch, plan, after) => {
    const group = arrange(plan)
    const parameters: ReadonlyArray<Parameter | bigint | string | null> = [
      writer,
      BigInt(batch),
      BigInt(after ?? 0),
      Notice.of(server, plan),
      bigints(group.ids),
      bigints(group.heads),
      bigints(group.newHeads),
      times(group.updated),
      ints(group.streams),
      bigints(group.offsets),
      texts(group.types),
      texts(group.payloads),
      texts(group.states),
      texts(group.metadata),
      texts(group.keys),
      bigints(group.askedIds),
      texts(group.askedKeys),
      texts(group.causePaths),
      bigints(group.causeOffsets),
      texts(group.causeProcessors),
      ints(group.causeHops)
    ]
    return Effect.map(
      plan.commits.length === 0
        ? append(parameters)
        : pipe.query(commitAtHeads, [...parameters, ...arrangeGuards(plan.commits).parameters]),
      ([row]) => typeof row?.["clock"] === "number" ? row["clock"] : undefined
    )
  }
  return { write }
}

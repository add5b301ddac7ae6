/**
 * Ways to break the promises on purpose, to see that the simulation finds each. They stand between the runtime and the
 * log, or between the runtime and a definition: the runtime itself is the one that is shipped.
 */
import { Effect } from "effect"
import type { Event } from "../../../src/domain/Event.ts"
import type { Proposed } from "../../../src/domain/EventText.ts"
import type { AppendError, Fenced } from "../../../src/domain/StreamError.ts"
import type { Appended, Commit } from "../../../src/log/EventStore.ts"
import type { Asked, Folding } from "../../../src/processor/Folding.ts"
import type { Any } from "../../../src/processor/Processor.ts"
import * as Journal from "./Journal.ts"
import type { Invariant } from "./Violation.ts"
import type { World } from "./World.ts"

type Committed = Effect.Effect<ReadonlyArray<Appended>, AppendError | Fenced>

export interface Tools {
  /** Commits `actual` as the answer to `presented`, unless something befalls the process. */
  readonly land: (presented: Commit, actual: Commit) => Committed
  readonly world: World
}

export interface Variant {
  readonly commit?: (commit: Commit, tools: Tools) => Committed
  readonly processor?: (processor: Any) => Any
  /** Whether processes never hear at once that a stream was deleted. */
  readonly hidesDeletes?: boolean
}

/** Nothing is broken. */
export const sound: Variant = {}

/** The commit with the owner's epoch, the revision and the life that would be right now. */
const renewed = (commit: Commit, world: World, of: { readonly epoch: boolean; readonly revision: boolean }): Commit => {
  const { checkpoint, lease } = commit
  const life = checkpoint === undefined ? undefined : world.journal.life(checkpoint.life)
  const revision = life === undefined ? undefined : world.instancesOn(life.path).get(lease.processor)?.revision
  return {
    ...commit,
    lease: of.epoch ? { ...lease, epoch: world.epochOf(lease.processor) } : lease,
    checkpoint: checkpoint === undefined || revision === undefined || !of.revision ? checkpoint : { ...checkpoint, revision }
  }
}

const folding = (processor: Any, change: (folding: Folding) => Folding): Any => ({
  ...processor,
  fold: (checkpoint) => change(processor.fold(checkpoint))
})

const asking = (processor: Any, change: (asked: Asked) => Asked): Any =>
  folding(processor, (folding) => ({
    ...folding,
    asked: () => new Map([...folding.asked()].map(([name, asked]) => [name, change(asked)]))
  }))

const withoutOwnKey = (event: Proposed): Proposed => {
  const { idempotencyKey, ...rest } = event
  return idempotencyKey?.startsWith("fiber/") === true ? rest : event
}

/** A variant that must be found, by one of these. */
export interface Broken extends Variant {
  readonly caught: ReadonlyArray<Invariant>
}

export const broken: { readonly [name: string]: Broken } = {
  "checkpoint apart from its events": {
    caught: ["facts"],
    commit: (commit, { land }) => {
      const { appends, checkpoint, ...rest } = commit
      if (appends.length === 0 || checkpoint === undefined) return land(commit, commit)
      const events = { ...rest, appends }
      const after = { ...rest, appends: [], checkpoint }
      return Effect.tap(land(events, events), () => land(after, after))
    }
  },
  "no epoch": {
    caught: ["owner"],
    commit: (commit, { land, world }) =>
      Effect.suspend(() => land(commit, renewed(commit, world, { epoch: true, revision: false })))
  },
  "outcome unknown after commit": {
    caught: ["facts"],
    commit: (commit, { land, world }) =>
      Effect.suspend(() => land(commit, renewed(commit, world, { epoch: false, revision: true })))
  },
  "takeover between fold and commit": {
    caught: ["state", "facts", "fibers"],
    commit: (commit, { land, world }) =>
      Effect.suspend(() => {
        const fresh = renewed(commit, world, { epoch: true, revision: true })
        return land(fresh, fresh)
      })
  },
  "delete under a running fiber": {
    caught: ["life"],
    hidesDeletes: true,
    commit: (commit, { land }) => {
      const { cursors, ...rest } = commit
      return land(commit, cursors?.values.length === 0 ? rest : commit)
    }
  },
  "hook before fold": {
    caught: ["state", "fibers"],
    processor: (processor) =>
      folding(processor, (folding) => {
        let pending: Event | undefined
        return {
          ...folding,
          step: (event) => {
            // What the hook of the last event saw and wrote is folded only now.
            if (pending !== undefined) Journal.step(folding, pending)
            pending = event
            return processor.fold({ state: folding.state() }).step(event)
          }
        }
      })
  },
  "fiber's append without a key of its own": {
    caught: ["fibers"],
    commit: (commit, { land }) => {
      const appends = commit.appends.map((append) => ({ ...append, events: append.events.map(withoutOwnKey) }))
      return land(commit, { ...commit, appends })
    }
  },
  "once for all streams": {
    caught: ["fibers"],
    processor: (processor) =>
      asking(processor, (asked) => {
        const { input, key, kind, run } = asked
        return run === undefined ? asked : {
          ...asked,
          run: (tools) =>
            run({
              ...tools,
              append: (event, { once, ...options } = {}) =>
                tools.append(
                  once === undefined ? event : { ...event, idempotencyKey: JSON.stringify([kind, key, input, once]) },
                  options
                )
            })
        }
      })
  },
  "fibers not interrupted": {
    caught: ["fibers"],
    processor: (processor) =>
      asking(processor, (asked) => {
        const { run } = asked
        return run === undefined ? asked : {
          ...asked,
          run: (tools) => Effect.andThen(Effect.forkDetach(run(tools)), Effect.never)
        }
      })
  },
  "same key with changed input": {
    caught: ["fibers"],
    processor: (processor) => asking(processor, (asked) => ({ ...asked, input: "{}" }))
  }
}

/**
 * Owners elsewhere, and what each said of its processor: what is new is registered, and what an owner goes on to say is
 * not. A server that was started anew knows none of them: an owner that goes on has to say so.
 */
import { Clock, Effect } from "effect"
import { InvalidRequest } from "../domain/StreamError.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { Checkpoints, Registration } from "../log/Checkpoints.ts"
import type { Claiming } from "./Claims.ts"
import { Remembered } from "./Remembered.ts"
import type { Supervisor } from "./Supervisor.ts"

/** Owners that are remembered, so that renewing a lease does not register its processor again. */
const remembered = 1_000
/** An owner that was silent for so long, in milliseconds, and for two of its leases, has started again. */
const forgetAfter = 60_000

export interface Options {
  readonly checkpoints: Checkpoints["Service"]
  readonly supervisor: Supervisor["Service"]
  /** How long a lease holds whose owner does not say it, in milliseconds. */
  readonly leaseMillis: number
}

/** What an owner said of its processor, and when it was heard last. */
interface Heard {
  readonly text: string
  readonly at: number
}

export const make = ({ checkpoints, leaseMillis, supervisor }: Options) => {
  const heard = new Remembered<Heard>(remembered)
  /** Those that were given a name and have not come back: whoever claims without one each time displaces no other. */
  const named = new Remembered<Heard>(remembered)

  const registered = (processor: string) =>
    Effect.map(checkpoints.registered, (all) => all.find((each) => each.processor === processor))

  /** Fails where this server runs the processor itself. */
  const elsewhere = (processor: string): Effect.Effect<void, InvalidRequest> =>
    supervisor.definition(processor) === undefined ? Effect.void : Effect.fail(
      new InvalidRequest({
        reason: `${processor} runs on this server itself. What runs elsewhere needs another name`
      })
    )

  /** Makes a processor known that runs elsewhere. */
  const register = Effect.fnUntraced(function*(registration: Registration) {
    const { processor, streams } = registration
    const wrong = StreamPattern.problem(streams)
    if (wrong !== undefined) return yield* new InvalidRequest({ reason: `\`streams\` is no pattern: ${wrong}` })
    yield* elsewhere(processor)
    yield* checkpoints.register(registration)
  })

  /** Makes the processor known where this server has not heard the same from this owner lately. */
  const hear = Effect.fnUntraced(function*(claiming: Claiming, owner: string) {
    const { millis = leaseMillis, registration, takeOver } = claiming
    const { processor, version } = registration
    const here = supervisor.definition(processor)
    if (here !== undefined) {
      // While this server's own version is prepared, the one acts on that it is to take over from.
      const mayAct = takeOver !== true && here.version !== version
      return mayAct && (yield* registered(processor))?.version === version ? undefined : yield* elsewhere(processor)
    }
    const key = JSON.stringify([processor, owner])
    const text = JSON.stringify(registration)
    const known = heard.get(key) ?? named.get(key)
    const now = yield* Clock.currentTimeMillis
    const isNew = known?.text !== text || now - known.at > Math.max(forgetAfter, 2 * millis)
    const isDue = takeOver === false
      ? known === undefined && (yield* registered(processor)) === undefined
      : takeOver === true || isNew
    if (isDue) yield* register(registration)
    const last = claiming.owner === undefined ? named : heard
    last.set(key, { text, at: now })
  })

  return { elsewhere, hear, register }
}

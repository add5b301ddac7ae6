/** How large a body may be, and what is said of one that is larger. */
import { maxEventBytes, maxRequestBytes } from "../domain/Bounds.ts"
import { PayloadTooLarge } from "../domain/StreamError.ts"
import * as Batch from "./Batch.ts"

export interface Bound {
  /** As it arrives, and without its content coding. */
  readonly bytes: number
  readonly tooLarge: () => PayloadTooLarge
}

export const ofRequest: Bound = {
  bytes: maxRequestBytes,
  tooLarge: () =>
    new PayloadTooLarge({
      limit: maxRequestBytes,
      reason: `A request has at most ${maxRequestBytes} bytes, as it arrives and decoded: send fewer events at a time`
    })
}

/** For what can only be one event. */
export const ofEvent: Bound = { bytes: maxEventBytes, tooLarge: Batch.tooLarge }

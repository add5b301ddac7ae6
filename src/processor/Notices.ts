/** What the stream's own control events say to an instance, whatever it consumes: pauses, and a person's changes. */
import * as Control from "../domain/ControlEvent.ts"
import type { Event } from "../domain/Event.ts"
import * as Emission from "./Emission.ts"
import { changes } from "./Instance.ts"

export interface Options {
  readonly processor: string
  /** The stream's last event when the instance was read: changes up to here are in it. */
  readonly head: number
  /** Whether the stream was paused at an offset; later pauses are known from the stream itself. */
  readonly stream: { readonly isPaused: boolean; readonly offset: number }
}

export class Notices {
  /** Whether the stream is paused, as far as it was heard. */
  isPaused: boolean
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
    this.isPaused = options.stream.isPaused
  }

  /** Whether an event says that this instance was changed by a person; pauses are noted. */
  hear(event: Event): boolean {
    const { head, processor, stream } = this.options
    if (event.offset > stream.offset) {
      if (event.type === Control.Paused.type) this.isPaused = true
      if (event.type === Control.Resumed.type) this.isPaused = false
    }
    return event.offset > head && changes.includes(event.type) && Emission.isAbout(event, processor)
  }
}

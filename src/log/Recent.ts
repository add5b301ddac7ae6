/**
 * The last events of streams that somebody watches, in memory, so that a reader that is caught up costs no
 * query. What is missing here is in the log.
 */
import type { Recorded } from "../domain/EventText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Page } from "./EventStore.ts"

/** Bounds of one ring and of all together, in characters of JSON. */
const ringCharacters = 1_048_576
const maxCharacters = 64 * ringCharacters

export class Recent {
  private readonly rings = new Map<StreamPath, Ring>()
  private characters = 0

  /** Takes what was just committed to a stream that is watched. */
  push(event: Recorded): void {
    const ring = this.rings.get(event.streamPath) ?? new Ring()
    this.characters += ring.push(event)
    // Put at the end: the first ring is the one written longest ago.
    this.rings.delete(event.streamPath)
    this.rings.set(event.streamPath, ring)
    for (const [path] of this.rings) {
      if (this.characters <= maxCharacters) break
      this.drop(path)
    }
  }

  /** Forgets a stream: it was deleted, or nobody watches it. */
  drop(path: StreamPath): void {
    this.characters -= this.rings.get(path)?.characters ?? 0
    this.rings.delete(path)
  }

  /** Forgets all: a notice of a delete may have been lost. */
  clear(): void {
    this.rings.clear()
    this.characters = 0
  }

  /** All that came after an offset, if it is here. Readers at the same offset get the same page. */
  page(path: StreamPath, after: number): Page | undefined {
    return this.rings.get(path)?.page(after)
  }
}

class Ring {
  private lines: Array<string> = []
  private types: Array<string> = []
  private last = 0
  private latest: { readonly after: number; readonly page: Page } | undefined = undefined
  characters = 0

  /** Returns by how many characters it grew. */
  push({ line, offset, type }: Recorded): number {
    const before = this.characters
    if (offset !== this.last + 1) this.clear()
    this.lines.push(line)
    this.types.push(type)
    this.last = offset
    this.characters += line.length
    // Halved at once rather than one by one: moving a long array for each event is not flat.
    if (this.characters > ringCharacters) this.halve()
    return this.characters - before
  }

  page(after: number): Page | undefined {
    const first = this.last - this.lines.length
    if (after < first || after >= this.last) return undefined
    if (this.latest?.after === after && this.latest.page.last === this.last) return this.latest.page
    const page = {
      lines: this.lines.slice(after - first),
      types: this.types.slice(after - first),
      last: this.last,
      head: this.last,
      life: undefined
    }
    this.latest = { after, page }
    return page
  }

  private halve(): void {
    const kept = this.lines.length >> 1
    this.lines = kept === 0 ? [] : this.lines.slice(-kept)
    this.types = kept === 0 ? [] : this.types.slice(-kept)
    this.characters = this.lines.reduce((sum, line) => sum + line.length, 0)
  }

  private clear(): void {
    this.lines = []
    this.types = []
    this.characters = 0
  }
}

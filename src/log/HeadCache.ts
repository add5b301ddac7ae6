/**
 * Heads of the streams that were written last, so that most groups are decided without asking Postgres. It
 * may be wrong: each commit verifies the heads that it rests on.
 */
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Head } from "./CoreState.ts"

/** Bound in streams: some 20 MB. A stream that is not here costs its next append one look. */
const maxStreams = 50_000

export class HeadCache {
  // A Map keeps insertion order, and what is used is put at its end: the first is the one used longest ago.
  private readonly heads = new Map<StreamPath, Head>()

  get(path: StreamPath): Head | undefined {
    return this.heads.get(path)
  }

  set(path: StreamPath, head: Head): void {
    this.heads.delete(path)
    this.heads.set(path, head)
    if (this.heads.size > maxStreams) {
      for (const [oldest] of this.heads) {
        this.heads.delete(oldest)
        break
      }
    }
  }

  delete(path: StreamPath): void {
    this.heads.delete(path)
  }

  clear(): void {
    this.heads.clear()
  }
}

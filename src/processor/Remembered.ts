/** Values by key, of which so many are remembered: those that were set last. */
export class Remembered<A> {
  private readonly values = new Map<string, A>()
  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  get(key: string): A | undefined {
    return this.values.get(key)
  }

  set(key: string, value: A): void {
    // Put at the end: the first one is the one that was set longest ago.
    this.values.delete(key)
    this.values.set(key, value)
    const [oldest] = this.values.keys()
    if (this.values.size > this.most && oldest !== undefined) this.values.delete(oldest)
  }
}

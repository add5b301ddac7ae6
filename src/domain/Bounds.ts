/** Bounds of the contract, said once: its description, the server behind it and the clients in front of it agree. */

/** Most events that are recorded together: one transaction, whose neighbours wait for it. */
export const maxBatch = 1_000

/** Most bytes of an event as it arrives: a tail holds at least one in memory, for each of its readers. */
export const maxEventBytes = 1024 * 1024

/** Most bytes of a request, as it arrives and decoded: 1,000 events of 8 KiB, and tens of milliseconds to read. */
export const maxRequestBytes = 8 * 1024 * 1024

/** Most streams of one list: the next one goes on `after` its last. */
export const maxChildren = 1_000

/** Most events of one answer of causes or effects: more than a person follows, and endless effects stay cheap. */
export const maxCauses = 1_000

/** Bytes of JSON behind which such an answer ends, with one event at least: it is held whole, and 4 KiB each fit. */
export const maxCausesBytes = 4 * 1024 * 1024

/** Most events between the two offsets of one answer of patches: each is folded and compared while the answer waits. */
export const maxPatches = 1_000

/** Most instances of one list: the next one goes on `after` the last stream. */
export const maxInstances = 1_000

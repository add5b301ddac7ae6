/**
 * A process that hosts processors on the log of `DATABASE_URL`: does the one job that its argument holds, prints what
 * it found as a line of JSON, and ends. Reference and measurement take turns in it. The database must be empty.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import type { Duration } from "effect"
import { EventStore } from "../../src/log/EventStore.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { Growth } from "../../src/log/Growth.ts"
import { Tail } from "../../src/log/Tail.ts"
import * as EventText from "../../src/domain/EventText.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Main from "../../src/main.ts"
import { Supervisor } from "../../src/processor/Supervisor.ts"
import * as Counter from "./Counter.ts"
import type { Found, Job } from "./HostJob.ts"
import * as Payload from "./Payload.ts"

/** Events of one append that fills a stream: the most that a page holds. */
const fillBatch = 1_000
/** Streams that are filled at a time. */
const filledAtOnce = 64
/** How often it is looked whether something is done, where nothing tells. */
const lookEvery = "2 millis"

const fill = Effect.fnUntraced(function*(path: StreamPath, events: number) {
  const store = yield* EventStore
  for (let done = 0; done < events; done += fillBatch) {
    const some = Array.from({ length: Math.min(fillBatch, events - done) }, (_, i) => done + i)
    yield* store.append({
      path,
      events: some.map((number) => ({ type: Payload.type, payload: Payload.payload(number) }))
    })
  }
})

const fillMany = (paths: ReadonlyArray<StreamPath>, events: number) =>
  Effect.forEach(paths, (path) => fill(path, events), { concurrency: filledAtOnce, discard: true })

const pathsBelow = (parent: string, count: number): ReadonlyArray<StreamPath> =>
  Array.from({ length: count }, (_, i) => StreamPath.make(`${parent}/${i}`))

/** Returns once something is so. */
const until = (isSo: () => boolean, every: Duration.Input = lookEvery): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(Effect.sleep(every), until(isSo, every)))

/** Runs an action and tells how many of something it did in a second, and what each cost this process. */
const timed = Effect.fnUntraced(function*<E, R>(count: number, action: Effect.Effect<unknown, E, R>) {
  const [began, before] = [performance.now(), process.cpuUsage()]
  yield* action
  const [seconds, { system, user }] = [(performance.now() - began) / 1_000, process.cpuUsage(before)]
  return { rate: count / seconds, cpu: (user + system) / count }
})

/** Reads a stream page by page and decodes each line. */
const readAll = Effect.fnUntraced(function*(path: StreamPath) {
  const store = yield* EventStore
  for (let after = 0, head = 1; after < head;) {
    const page = yield* store.read(path, { after })
    for (const line of page.lines) EventText.decode(line)
    after = page.last
    head = page.head
  }
})

const fold = Effect.fnUntraced(function*({ events, rounds }: Extract<Job, { readonly kind: "fold" }>) {
  const supervisor = yield* Supervisor
  const path = StreamPath.make("/fold/0")
  yield* fill(path, events)
  const foldAll = (name: string) =>
    Effect.scoped(Effect.andThen(
      Layer.build(Counter.folding(name, { streams: path, startFrom: "start" })),
      until(() => {
        const status = supervisor.status(name, path)
        return status?.now === "caught-up" && status.offset > events
      })
    ))
  const found: Array<Found> = []
  // The first round would be that of code that is not compiled yet.
  for (let round = 0; round <= rounds; round++) {
    const reference = yield* timed(events, readAll(path))
    const measured = yield* timed(events, foldAll(`fold-${round}`))
    if (round > 0) found.push({ reference, measured })
  }
  return found
})

const hooks = Effect.fnUntraced(function*({ events, streams }: Extract<Job, { readonly kind: "hooks" }>) {
  const growth = yield* Growth
  const answerAll = Effect.fnUntraced(function*(parent: string, each: number) {
    const paths = pathsBelow(parent, streams)
    yield* fillMany(paths, each)
    const waiting = new Set(paths)
    // Behind `initialized` come the events, then as many answers.
    const stop = growth.onPrefix(StreamPath.make(parent), ({ head, path }) => {
      if (head !== undefined && head > 2 * each) waiting.delete(path)
    })
    const options = { streams: `${parent}/*`, startFrom: "start" } as const
    return yield* timed(
      streams * each,
      Effect.scoped(Effect.andThen(
        Layer.build(Counter.answering(parent.slice(1), options)),
        until(() => waiting.size === 0)
      ))
    ).pipe(Effect.ensuring(Effect.sync(stop)))
  })
  yield* answerAll("/warm", 100)
  return [{ measured: yield* answerAll("/answered", events) }]
})

/** Median of the times, in milliseconds, from an append to an event on a tail. */
const latencyOn = Effect.fnUntraced(function*(path: StreamPath, type: string, count: number) {
  const store = yield* EventStore
  const growth = yield* Growth
  const event = { type: Payload.type, payload: Payload.payload(0) }
  const { head } = yield* store.read(path, { after: 0, limit: 1 })
  const tail = new Tail(store, growth, path, { after: head, types: [type], live: true })
  const arrival = Effect.gen(function*() {
    while (true) {
      const step = yield* tail.next
      if (step._tag === "Events" && step.page.lines.length > 0) return
    }
  })
  const times: Array<number> = []
  for (let i = 0; i < count; i++) {
    const began = performance.now()
    yield* Effect.all([store.append({ path, events: [event] }), arrival], { concurrency: 2, discard: true })
    times.push(performance.now() - began)
  }
  tail.close()
  times.sort((a, b) => a - b)
  return { p50: times[Math.floor(count / 2)] ?? Number.NaN }
})

const latency = Effect.fnUntraced(function*({ appends, rounds }: Extract<Job, { readonly kind: "latency" }>) {
  const plain = StreamPath.make("/plain/0")
  const answered = StreamPath.make("/answered/0")
  yield* fillMany([plain, answered], 1)
  yield* Layer.build(Counter.answering("latency", { streams: answered }))
  const found: Array<Found> = []
  for (let round = 0; round <= rounds; round++) {
    const reference = yield* latencyOn(plain, Payload.type, appends)
    const measured = yield* latencyOn(answered, Counter.answer, appends)
    if (round > 0) found.push({ reference, measured })
  }
  return found
})

/**
 * What this process holds, in bytes. V8 keeps the pages that garbage has left for later, and gives them back when it has
 * had nothing much to do for some 100 seconds; here it is asked to do so at once.
 */
const memory = Effect.gen(function*() {
  // What is given back in a finaliser or a later turn is not held.
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" })
    yield* Effect.sleep("50 millis")
  }
  const { external, heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed + external, rss }
})

const asleep = Effect.fnUntraced(function*({ instances }: Extract<Job, { readonly kind: "asleep" }>) {
  const checkpoints = yield* Checkpoints
  const supervisor = yield* Supervisor
  const each = 5
  const fallAsleep = Effect.fnUntraced(function*(parent: string, count: number) {
    const name = parent.slice(1)
    const paths = pathsBelow(parent, count)
    yield* fillMany(paths, each)
    const before = yield* memory
    const told = new Set<string>()
    const tell = (path: string) => told.add(path)
    yield* Layer.build(Counter.telling(name, { streams: `${parent}/*`, startFrom: "start" }, tell))
    yield* until(() => told.size === count)
    const awake = yield* memory
    yield* until(() => paths.every((path) => supervisor.status(name, path) === undefined), "250 millis")
    told.clear()
    const undone = yield* checkpoints.undone(name, "")
    if (undone.length > 0) return yield* Effect.die(new Error(`${undone.length} instances sleep and are not done`))
    const after = yield* memory
    return {
      measured: {
        heap: after.heap - before.heap,
        rss: after.rss - before.rss,
        // Of the whole process so far, in kilobytes.
        most: process.resourceUsage().maxRSS * 1_024 - before.rss,
        awake: awake.heap - before.heap
      }
    }
  })
  yield* fallAsleep("/warm", 100)
  return [yield* fallAsleep("/asleep", instances)]
})

const job: Job = JSON.parse(process.argv[2] ?? "")

/** Does a job that ends by itself. */
const run = Effect.fnUntraced(function*(job: Exclude<Job, { readonly kind: "serve" }>) {
  switch (job.kind) {
    case "fold":
      return yield* fold(job)
    case "hooks":
      return yield* hooks(job)
    case "latency":
      return yield* latency(job)
    case "asleep":
      return yield* asleep(job)
  }
})

if (job.kind === "serve") {
  const processor = Counter.answering("answering", { streams: job.streams })
  NodeRuntime.runMain(Layer.launch(processor.pipe(Layer.provide(Main.layer))))
} else {
  process.stdin.once("end", () => process.exit(1)).resume()
  NodeRuntime.runMain(run(job).pipe(
    Effect.tap((rounds) =>
      Effect.sync(() => {
        console.log(JSON.stringify({ rounds }))
        process.stdin.unref()
      })
    ),
    Effect.scoped,
    Effect.provide(Main.layerHeadless)
  ))
}

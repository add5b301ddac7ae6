/** The commands about processors, as processes of their own against a server with two of these. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Ref, Schedule, Schema, Stream } from "effect"
import * as ControlEvent from "../../src/domain/ControlEvent.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Streams } from "../../src/domain/Streams.ts"
import * as LogStreams from "../../src/log/LogStreams.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { layer as server, TestServer } from "../http/TestServer.ts"
import * as PingPong from "../../src/examples/PingPong.ts"
import * as Cli from "./Cli.ts"

const isBroken = Ref.makeUnsafe(true)

/** Fails at every ping for as long as it is told to. */
const Umpire = Processor.make("umpire", {
  state: Schema.Struct({ seen: Schema.Int }),
  initial: { seen: 0 },
  consumes: [PingPong.Ping, EventType.any]
}).reduce({ ping: ({ seen }) => ({ seen: seen + 1 }), "*": (state) => state }).toLayer({
  afterAppend: {
    ping: () => Effect.flatMap(Ref.get(isBroken), (broken) => broken ? Effect.fail("no chair") : Effect.void)
  }
}, { streams: "/games/*", retry: Schedule.recurs(0) })

const TestLayer = Layer.merge(PingPong.layer, Umpire).pipe(
  Layer.provideMerge(LogStreams.layer({ breaker: "off" })),
  Layer.provideMerge(server()),
  Layer.provideMerge(NodeServices.layer)
)

const run = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { port } = yield* TestServer
  return yield* Cli.run(args, { env: { MILLSTREAM_URL: `http://127.0.0.1:${port}` } })
})

const printed = (...args: ReadonlyArray<string>) =>
  Effect.map(run(...args), ({ code, stderr, stdout }) => {
    assert.deepStrictEqual([code, stderr], [0, ""])
    return stdout
  })

layer(TestLayer, { excludeTestServices: true, timeout: "30 seconds" })("the command line of processors", (it) => {
  it.effect("explains an event, lists who is parked, and lets it go on", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      const { offset } = yield* streams.append("/games/1", PingPong.Ping.make({ from: "ada" }))
      yield* streams.tail("/games/1").pipe(
        Stream.filter(({ type }) => type === "pong" || type === ControlEvent.ProcessorParked.type),
        Stream.take(2),
        Stream.runDrain
      )
      const pong = yield* Stream.runHead(streams.read("/games/1", { types: [PingPong.Pong] })).pipe(
        Effect.flatMap(Effect.fromOption)
      )
      assert.strictEqual(
        (yield* printed("explain", "/games/1", String(offset))).replace(/ {2}emitted {3}processor\/parked at .*\n/, ""),
        `/games/1 2: ping {"from":"ada"}

ping-pong, version 1
  consumed  yes
  state     replace /pings 1
  emitted   pong at /games/1 ${pong.offset}
  now       caught-up, at 4

umpire, version 1
  consumed  not yet
  state     replace /seen 1
  now       parked at 2: no chair
            millstream processors resume umpire /games/1 lets it try again, skip passes over that event
`
      )
      const answer = yield* printed("explain", "/games/1", String(pong.offset))
      assert.include(answer, `pong {"to":"ada"}\nIt answers /games/1 2, by ping-pong\n`)
      assert.include(answer, "ping-pong, version 1\n  consumed  no, only ping\n  state     as it was before\n")

      const parked = yield* printed("processors", "umpire")
      assert.match(parked, /^STREAM +OFFSET +LAG +STATUS +FIBERS +PARKED\n\/games\/1 +1 +3 +parked +at 2: no chair\n$/)
      yield* Ref.set(isBroken, false)
      assert.include(yield* printed("processors", "resume", "umpire", "/games/1"), `"version": 1`)
      yield* streams.tail("/games/1").pipe(
        Stream.filter(({ type }) => type === ControlEvent.ProcessorResumed.type),
        Stream.runHead
      )
      const again = yield* run("processors", "skip", "umpire", "/games/1")
      assert.deepStrictEqual(again, {
        code: 1,
        stdout: "",
        stderr: "millstream: umpire is not parked on /games/1\n"
      })
      assert.include(yield* printed("processors", "refold", "ping-pong", "/games/1"), `"version": 1`)
    }))

  it.effect("lists processors, and shows a state as it was", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        (yield* printed("processors")).replaceAll(/ [0-9a-f]{8} /g, " 0123abcd "),
        `NAME       VERSION  STREAMS    CONSUMES  EMITS  OWNER     DEFINITION
ping-pong  1        /games/**  ping      pong   0123abcd  here
umpire     1        /games/*   ping,*           0123abcd  here
`
      )
      const streams = yield* Streams
      yield* streams.append("/games/2", PingPong.Ping.make({ from: "ada" }))
      yield* streams.append("/games/2", PingPong.Ping.make({ from: "grace" }))
      const past = yield* printed("state", "/games/2", "--processor", "ping-pong", "--at", "2")
      assert.strictEqual(past, `{
  "version": 1,
  "offset": 2,
  "state": {
    "pings": 1
  },
  "fibers": []
}
`)
      const wrong = yield* run("processors", "resume", "umpire", "/games/2", "--kind", "burn")
      assert.deepStrictEqual([wrong.code, wrong.stdout], [2, ""])
      const unknown = yield* run("processors", "umpier")
      assert.deepStrictEqual([unknown.code, unknown.stderr.trim()], [
        1,
        "millstream: There is no processor umpier. Did you mean umpire?"
      ])
      const missing = yield* run("explain", "/games/2", "99")
      assert.strictEqual(missing.stderr, "millstream: /games/2 has no event at offset 99\n")
    }))
})

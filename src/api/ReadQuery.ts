/** What a read takes in its query: where it starts, where it ends, and in which form. */
import { Schema } from "effect"
import * as Parameter from "./Parameter.ts"

const offset = Parameter.wholeNumber(0)

/** Of one stream. */
export const ReadQuery = Schema.Struct({
  afterOffset: Schema.optionalKey(
    Schema.Union([Schema.Literals(["start", "end"]), offset]).annotate({ expected: "an offset, start or end" })
  ).annotateKey({ description: "Exclusive lower bound; `start` by default" }),
  beforeOffset: Schema.optionalKey(
    Schema.Union([Schema.Literal("end"), offset]).annotate({ expected: "an offset or end" })
  ).annotateKey({ description: "Exclusive upper bound. Present: send what exists and close. Absent: then stay open" }),
  live: Schema.optionalKey(Parameter.flag).annotateKey({
    description: "Whether the answer stays open behind what exists; wins over `beforeOffset`"
  }),
  last: Schema.optionalKey(offset).annotateKey({ description: "Start so many events before the end" }),
  types: Schema.optionalKey(Parameter.types).annotateKey({ description: "Only these types" }),
  limit: Schema.optionalKey(Parameter.wholeNumber(1)).annotateKey({ description: "Close after so many events" }),
  format: Schema.optionalKey(
    Schema.Literals(["sse", "json", "ndjson", "yaml"]).annotate({ expected: "sse, json, ndjson or yaml" })
  ).annotateKey({ description: "Wins over `Accept`. `json` is one array and always closes" }),
  pretty: Parameter.pretty
})
export type ReadQuery = typeof ReadQuery.Type

/** Bound of `limit` across streams: a closed answer tells its cursor before its events, so they are held together. */
const maxWithin = 10_000

/** Of a stream and all below it: offsets of one stream mean nothing there. */
export const ReadWithinQuery = Schema.Struct({
  after: Schema.optionalKey(Schema.String).annotateKey({
    description: "The cursor to go on after, opaque; or `end`, for what comes"
  }),
  live: ReadQuery.fields.live,
  types: ReadQuery.fields.types,
  limit: Schema.optionalKey(Parameter.wholeNumber(1, maxWithin)).annotateKey({
    description: "Close after so many events"
  }),
  format: ReadQuery.fields.format,
  pretty: Parameter.pretty
})
export type ReadWithinQuery = typeof ReadWithinQuery.Type

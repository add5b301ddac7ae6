import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { ChildrenQuery } from "../../src/api/InspectApi.ts"
import { ReadQuery, ReadWithinQuery } from "../../src/api/ReadQuery.ts"
import * as Query from "../../src/http/Query.ts"

const decodeRead = Query.decoder(ReadQuery)
const read = (query: string) => decodeRead(`/api/streams/a${query}`)
const value = (query: string) => Result.getOrThrow(read(query))
const reason = (query: string) => Result.getOrThrow(Result.flip(read(query))).reason

describe("Query", () => {
  it("decodes what the schema says", () => {
    assert.deepStrictEqual(value(""), {})
    assert.deepStrictEqual(value("?"), {})
    const query = "?afterOffset=12&beforeOffset=end&last=0&types=a,b%2Fc&limit=3&format=yaml&live=false"
    assert.deepStrictEqual(value(query), {
      afterOffset: 12,
      beforeOffset: "end",
      last: 0,
      types: ["a", "b/c"],
      limit: 3,
      format: "yaml",
      live: false
    })
  })

  it("takes a bare flag for true", () => {
    for (const query of ["?pretty", "?pretty=", "?pretty=true"]) assert.deepStrictEqual(value(query), { pretty: true })
    assert.deepStrictEqual(value("?pretty=false"), { pretty: false })
  })

  it("names the nearest of what it does not know", () => {
    assert.include(reason("?afterOfset=1"), "`afterOfset` is no parameter of this request. Did you mean `afterOffset`?")
    assert.include(reason("?__proto__=1"), "`__proto__` is no parameter")
    assert.include(reason("?=1"), "`` is no parameter")
    const within = Query.decode(ReadWithinQuery, "/api/streams/a/**?afterOffset=1")
    assert.include(Result.getOrThrow(Result.flip(within)).reason, "`afterOffset` is no parameter of this request")
  })

  it("names the parameter and what it takes", () => {
    assert.strictEqual(reason("?limit=0"), "`limit` takes a whole number from 1 on, not \"0\"")
    assert.strictEqual(reason("?limit=1e3"), "`limit` takes a whole number from 1 on, not \"1e3\"")
    assert.strictEqual(reason("?last=99999999999999999"), "`last` takes a whole number, not \"99999999999999999\"")
    assert.strictEqual(reason("?last=9007199254740993"), "`last` takes a whole number, not \"9007199254740993\"")
    assert.strictEqual(reason("?afterOffset=-1"), "`afterOffset` takes an offset, start or end, not \"-1\"")
    assert.strictEqual(reason("?types="), "`types` takes types of events, separated by commas, not \"\"")
    assert.strictEqual(reason("?format=xml"), "`format` takes sse, json, ndjson or yaml, not \"xml\"")
    assert.strictEqual(reason("?live=yes"), "`live` takes true, false or no value, which says true, not \"yes\"")
    assert.include(
      Result.getOrThrow(Result.flip(Query.decode(ChildrenQuery, "/api/children/a?after=b"))).reason,
      "`after` takes"
    )
    assert.include(reason(`?limit=${"9".repeat(10_000)}`), "`limit` takes a whole number")
    assert.isBelow(reason(`?limit=${"9".repeat(10_000)}`).length, 200)
  })

  it("refuses a parameter that is given twice", () => {
    assert.strictEqual(reason("?limit=1&limit=1"), "`limit` is given twice")
  })

  it("says what is missing", () => {
    const needed = Query.decode(Schema.Struct({ offset: Schema.String }), "/x")
    assert.strictEqual(Result.getOrThrow(Result.flip(needed)).reason, "`offset` takes another value and is missing")
  })

  it("never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.isTrue(Result.isResult(read(`?${text}`)))
      assert.isTrue(Result.isResult(read(`?limit=${text}`)))
    }))
  })
})

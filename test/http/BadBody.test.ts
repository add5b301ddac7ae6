import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { gzipSync } from "node:zlib"
import * as Json from "../../src/domain/JsonText.ts"
import * as Body from "../../src/http/Body.ts"
import { jsonSource } from "../domain/JsonSource.ts"
import { accepted, arriving, curl, received, refused } from "./Arriving.ts"

const labels = [
  undefined,
  "",
  "application/json",
  "application/yaml",
  "application/x-ndjson",
  curl,
  "multipart/form-data; boundary=x",
  "multipart/form-data",
  "text/plain",
  "image/png",
  "; =\"\0"
]

/** Parts that mean something to one reader or another, so that chance meets their rare paths. */
const sign = fc.constantFrom(
  ..."{ } [ ] , : - ? ! & * | > ' \" # % @ ` = + \\ \n \r \t .".split(" "),
  " ", "\n", "---\n", "type", "type: a", "\"type\"", "payload: ", "&a ", "*a", "<<: ", ".nan", ".inf", "0x1f", "0o7",
  "1e400", "\\ud800", "\\u0000", "\u0000", "\ufeff", "__proto__", "--x\r\n", "--x--",
  "Content-Disposition: form-data; name=a\r\n\r\n", "%YAML 1.1\n", "!!binary ", "a=1&", "%ff", "%"
)

const body: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
  fc.array(sign, { maxLength: 30 }).map((signs) => Buffer.from(signs.join(""))),
  jsonSource.map(({ spaced }) => Buffer.from(spaced)),
  fc.array(jsonSource, { maxLength: 3 }).map((lines) =>
    Buffer.from(lines.map(({ tight }) => `{"type":"a","payload":${tight}}`).join("\n")))
)

describe("a body of any kind", () => {
  it("becomes events that can be stored, or is refused by an error of the contract", () => {
    const arrival = fc.record({
      body,
      contentType: fc.constantFrom(...labels),
      contentEncoding: fc.constantFrom(undefined, undefined, undefined, "gzip", "deflate", "br", "x"),
      as: fc.constantFrom(undefined, undefined, "note", "", "\ud800"),
      ingestOnly: fc.boolean(),
      query: fc.dictionary(fc.string(), fc.string()),
      headers: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.array(fc.string()))),
      method: fc.string()
    })
    fc.assert(
      fc.property(arrival, (made) => {
        const decoded = Body.decode(made)
        if (Result.isFailure(decoded)) {
          assert.include(["InvalidRequest", "InvalidEvent", "PayloadTooLarge"], decoded.failure._tag)
          assert.isNotEmpty(decoded.failure.message)
          return
        }
        for (const event of decoded.success.events) {
          for (const text of [event.payload, event.metadata ?? "{}"]) {
            JSON.parse(text)
            assert.isTrue(text.isWellFormed() && !text.includes("\0"))
            assert.strictEqual(Json.minify(text), text)
          }
          assert.isTrue(event.type.isWellFormed() && !event.type.includes("\0"))
        }
      }),
      { numRuns: 5_000 }
    )
  })

  it("keeps payload and metadata as they were sent, but for white space", () => {
    fc.assert(fc.property(jsonSource, fc.constantFrom(undefined, "application/json", curl), (sent, label) => {
      const text = ` {"payload":${sent.spaced},"type":"a", "metadata" : {"m":${sent.spaced}}}`
      const [event] = accepted(arriving(text, label)).events
      assert.strictEqual(event.payload, sent.tight)
      assert.strictEqual(event.metadata, `{"m":${sent.tight}}`)
    }))
  })

  it("keeps exactly what arrived where it is no event", () => {
    fc.assert(fc.property(fc.array(sign, { maxLength: 20 }), fc.constantFrom(...labels), (signs, label) => {
      const text = signs.join("")
      const decoded = Body.decode(arriving(text, label))
      if (Result.isFailure(decoded) || decoded.success.events[0].type !== "webhook/received") return
      const { raw, body: kept }: { raw?: unknown; body: unknown } = JSON.parse(decoded.success.events[0].payload)
      assert.strictEqual(raw ?? kept, text)
    }))
  })
})

describe("bodies that mean harm", () => {
  it("20,000 levels are refused, or kept as text where they are only text", () => {
    for (const open of ["[", "{\"a\":", "- ", "a: {b: ", "? "]) {
      const text = open.repeat(20_000)
      for (const label of ["application/json", "application/yaml", curl, undefined]) {
        const started = performance.now()
        const decoded = Body.decode(arriving(text, label))
        assert.isBelow(performance.now() - started, 1_000)
        if (Result.isFailure(decoded)) assert.match(decoded.failure.message, /nests deeper than 512 levels/)
        else assert.strictEqual(decoded.success.events[0].type, "webhook/received")
      }
    }
    const closed = "[".repeat(20_000) + "]".repeat(20_000)
    for (const label of [undefined, "application/json", "application/yaml", "application/x-ndjson", curl]) {
      assert.strictEqual(refused(arriving(closed, label))._tag, "InvalidRequest")
      assert.strictEqual(refused(arriving(`{"type":"a","payload":${closed}}`, label))._tag, "InvalidRequest")
    }
    const payload = "[".repeat(511) + "]".repeat(511)
    assert.strictEqual(accepted(arriving(`{"type":"a","payload":${payload}}`)).events[0].payload, payload)
    assert.strictEqual(accepted(arriving(`type: a\npayload: ${payload}`, curl)).events[0].payload, payload)
  })

  it("30 MB are refused by their bound, whatever the label", () => {
    for (const label of labels) {
      const refusal = refused(arriving(Buffer.alloc(30_000_000, "["), label))
      assert(refusal._tag === "PayloadTooLarge")
      assert.strictEqual(refusal.limit, 8 * 1024 * 1024)
    }
  })

  it("an event has a bound of its own", () => {
    const mebibyte = "x".repeat(1024 * 1024)
    const limits = [
      arriving(JSON.stringify({ type: "a", payload: mebibyte })),
      arriving(JSON.stringify([{ type: "a" }, { type: "a", payload: mebibyte }])),
      arriving(`{"type":"a"}\n{"type":"a","payload":"${mebibyte}"}`, "application/x-ndjson"),
      arriving(`type: a\npayload: ${mebibyte}`, curl),
      arriving(`a=${mebibyte}`, curl),
      arriving(`${mebibyte}x`, "text/plain"),
      arriving(gzipSync(`${mebibyte}x`), "text/plain", { contentEncoding: "gzip" }),
      arriving(Buffer.alloc(1024 * 1024 + 1, 0xff), "image/png")
    ]
    for (const arrival of limits) {
      const refusal = refused(arrival)
      assert(refusal._tag === "PayloadTooLarge")
      assert.strictEqual(refusal.limit, 1024 * 1024)
    }
    assert.strictEqual(received(arriving(mebibyte, "text/plain"))["body"], mebibyte)
    const many = JSON.stringify(Array.from({ length: 8 }, () => ({ type: "a", payload: mebibyte.slice(100_000) })))
    assert.strictEqual(accepted(arriving(many)).events.length, 8)
  })

  it("alias bombs are refused; an alias that helps a person is a copy", () => {
    const names = "abcdefghijkl".split("")
    const bomb = names.map((name, i) =>
      `${name}: &${name} [${i === 0 ? "x,x,x,x,x,x,x,x,x" : `${`*${names[i - 1]}, `.repeat(8)}*${names[i - 1]}`}]`)
    for (const text of [bomb.join("\n"), `type: a\npayload:\n  ${bomb.join("\n  ")}`]) {
      assert.strictEqual(refused(arriving(text, "application/yaml"))._tag, "InvalidRequest")
    }
    const deep = Array.from({ length: 600 }, (_, i) => `- &a${i} [${i === 0 ? "" : `*a${i - 1}`}]`).join("\n")
    assert.match(refused(arriving(deep, "text/yaml")).message, /nests deeper/)
    const helpful = "type: a\npayload: {x: &x {n: 1.0}, y: *x}"
    assert.strictEqual(accepted(arriving(helpful, curl)).events[0].payload, "{\"x\":{\"n\":1.0},\"y\":{\"n\":1.0}}")
    assert.match(String(received(arriving("a: &a [*a]", "text/yaml"))["reason"]), /stands before its anchor/)
  })

  it("YAML that JSON cannot say is refused or kept as text, never bent", () => {
    for (const number of [".nan", ".inf", "-.INF"]) {
      for (const label of [curl, "application/yaml"]) {
        assert.strictEqual(refused(arriving(`type: a\npayload: ${number}`, label))._tag, "InvalidEvent")
      }
    }
    const foreign = ["a: !!binary aGk=", "a: !x 1", "a: 1\na: 2", "? [a]\n: 1", "%YAML 1.1\n---\na: !!set {b}", "a: *b"]
    for (const text of foreign) {
      const { body: kept, reason } = received(arriving(text, "application/yaml"))
      assert.match(String(reason), /^the body is not YAML: /, text)
      assert.strictEqual(kept, text)
    }
    assert.deepStrictEqual(received(arriving("%YAML 1.1\n---\na: yes\n<<: 1:30\n", "text/yaml"))["body"], {
      a: "yes",
      "<<": "1:30"
    })
    const refusal = refused(arriving("- 1\n".repeat(100_000), "text/yaml"))
    assert(refusal._tag === "PayloadTooLarge")
  })

  it("names, numbers and signs that JavaScript would change are kept", () => {
    const payload = "{\"__proto__\":{\"x\":1},\"constructor\":2,\"a\":\"\\u0000\\ud800\"," +
      "\"n\":[1e400000,9007199254740993,-0.0],\"n\":1}"
    for (const label of [undefined, "application/json", "application/yaml", curl]) {
      assert.strictEqual(accepted(arriving(`{"type":"a","payload":${payload}}`, label)).events[0].payload, payload)
    }
    const yaml = "type: a\npayload:\n  __proto__: {x: 1}\n  a: \"\\0\\ud800\"\n" +
      "  n: [1e400000, 9007199254740993, -0.0]\n"
    assert.strictEqual(
      accepted(arriving(yaml, curl)).events[0].payload,
      "{\"__proto__\":{\"x\":1},\"a\":\"\\u0000\\ud800\",\"n\":[1e400000,9007199254740993,-0.0]}"
    )
    assert.strictEqual(received(arriving("a\0b", "text/plain"))["body"], "a\0b")
    assert.strictEqual(accepted(arriving("\ufeff{\"type\":\"a\"}", "application/json")).events[0].type, "a")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Body from "../../src/http/Body.ts"
import { accepted, arriving, curl, received, refused, single } from "./Arriving.ts"

const json = "application/json"

describe("anything else", () => {
  it("is webhook/received, and says why", () => {
    const reason = (body: string | Uint8Array, label?: string) => received(arriving(body, label))["reason"]
    assert.strictEqual(reason("{\"data\":1}", json), "`data` is not a field of an event")
    assert.strictEqual(reason("{\"type\":\"a\",\"data\":1}", json), "`data` is not a field of an event")
    assert.strictEqual(reason("{\"type\":\"a\",\"__proto__\":1}", json), "`__proto__` is not a field of an event")
    assert.strictEqual(reason("{}", json), "`type` is missing")
    assert.strictEqual(reason("{\"type\":1}", json), "`type` is not a string")
    assert.strictEqual(reason("3", json), "a number is not an event")
    assert.strictEqual(reason("null"), "null is not an event")
    assert.strictEqual(reason("[]", json), "an empty array is not an event")
    assert.strictEqual(reason("[[1]]", json), "none of several is an event: an array is not an event")
    assert.strictEqual(reason("", json), "the body is empty")
    assert.strictEqual(reason(""), "the body is empty")
    assert.strictEqual(reason("", curl), "the body is empty")
    assert.strictEqual(reason("a=1", curl), "a form is not an event")
    assert.strictEqual(reason(Buffer.from([0xff]), json), "the body is not UTF-8")
    assert.strictEqual(reason("hi", "text/plain"), "text/plain is kept as it is")
    assert.match(String(reason("{", json)), /^the body is not JSON: /)
    assert.match(String(reason("hi")), /^the body has no content type and is not JSON: /)
    assert.match(String(reason("a: [", "text/yaml")), /^the body is not YAML: /)
    assert.match(String(reason("1\n{", "application/x-ndjson")), /^line 2 is not JSON: /)
  })

  it("keeps its request, without credentials", () => {
    const arrival = arriving("{\"b\": 1.0}", "application/json", {
      query: { a: "1", b: ["2", "3"], ["__proto__"]: "x" },
      headers: {
        host: "h",
        "x-twice": ["1", "2"],
        authorization: "Bearer t",
        cookie: "c",
        "proxy-authorization": "p"
      }
    })
    assert.deepStrictEqual(accepted(arrival).events[0].payload,
      "{\"reason\":\"`b` is not a field of an event\",\"method\":\"POST\",\"contentType\":\"application/json\"," +
      "\"query\":{\"a\":\"1\",\"b\":[\"2\",\"3\"],\"__proto__\":\"x\"}," +
      "\"headers\":{\"host\":\"h\",\"x-twice\":[\"1\",\"2\"]}," +
      "\"body\":{\"b\":1.0},\"raw\":\"{\\\"b\\\": 1.0}\"}")
  })

  it("leaves out what a setting names", () => {
    const arrival = arriving("x", "text/plain", { headers: { "X-Secret": "s", a: "b" } })
    const decoded = Result.getOrThrow(Body.decode(arrival, new Set(["x-secret"])))
    assert.deepStrictEqual(JSON.parse(decoded.events[0].payload).headers, { a: "b" })
  })

  it("has the fields of a form", () => {
    const form = (text: string) => received(arriving(text, curl))
    const plain = form("a=1&b=x+y%26z&a=2&__proto__=p&type=t")
    assert.strictEqual(
      JSON.stringify(plain["body"]),
      "{\"a\":[\"1\",\"2\"],\"b\":\"x y&z\",\"__proto__\":\"p\",\"type\":\"t\"}"
    )
    assert.strictEqual(plain["raw"], "a=1&b=x+y%26z&a=2&__proto__=p&type=t")
    for (const text of ["text=type: ping", "a: b&type=c", "type: [", "type:\n", "just words", "a: b\nc: d # type"]) {
      assert.strictEqual(form(text)["reason"], "a form is not an event", text)
    }
    const slack = `payload=${encodeURIComponent("{\"type\":\"block_actions\"}")}`
    assert.deepStrictEqual(form(slack)["body"], { payload: "{\"type\":\"block_actions\"}" })
    assert.deepStrictEqual(form("{\"a\":1}")["body"], { a: 1 })
    assert.deepStrictEqual(form("{\"a\":1}\n{\"a\":2}")["body"], [{ a: 1 }, { a: 2 }])
  })

  it("has the parts of a multipart form", () => {
    const label = "multipart/form-data; boundary=x"
    const part = (name: string, head: string, body: string) =>
      `--x\r\nContent-Disposition: form-data; name="${name}"${head}\r\n\r\n${body}\r\n`
    const file = "; filename=\"a.txt\"\r\nContent-Type: text/plain"
    const text = `${part("a", "", "1")}${part("f", file, "hi")}${part("a", "", "")}--x--\r\n`
    const whole = received(arriving(text, label))
    assert.deepStrictEqual(whole["body"], {
      a: ["1", ""],
      f: { filename: "a.txt", contentType: "text/plain", base64: "aGk=" }
    })
    assert.strictEqual(whole["raw"], text)
    const binary = Buffer.concat([
      Buffer.from(part("f", file, "")).subarray(0, -2),
      Buffer.from([0xff, 0, 0xfe]),
      Buffer.from("\r\n--x--\r\n")
    ])
    const bytes = received(arriving(binary, label))
    assert.deepStrictEqual(bytes["body"], { f: { filename: "a.txt", contentType: "text/plain", base64: "/wD+" } })
    assert.isFalse("raw" in bytes)
    assert.strictEqual(received(arriving(text.slice(0, -6), label))["body"], text.slice(0, -6))
    assert.strictEqual(received(arriving(text, "multipart/form-data"))["body"], text)
  })

  it("gets the type that ?as= names", () => {
    const as = (text: string, type: string, label = curl) => arriving(text, label, { as: type })
    assert.deepStrictEqual(single(as("a=1", "form/sent")), { type: "form/sent", payload: { a: "1" } })
    assert.deepStrictEqual(single(as("hi", "note", "text/plain")), { type: "note", payload: "hi" })
    assert.deepStrictEqual(single(as("{\"type\":\"ping\"}", "note")).type, "ping")
    assert.strictEqual(accepted(as("{\"n\": 1.0}", "n")).events[0].payload, "{\"n\":1.0}")
    assert.strictEqual(refused(as("hi", ""))._tag, "InvalidEvent")
    assert.strictEqual(refused(as("hi", "a\0"))._tag, "InvalidEvent")
  })

  it("is all that a sender of deliveries can send", () => {
    const delivery = (text: string, as?: string) => arriving(text, json, { ingestOnly: true, as })
    assert.deepStrictEqual(received(delivery("{\"type\":\"a\"}"))["body"], { type: "a" })
    assert.deepStrictEqual(received(delivery("[{\"type\":\"a\"}]"))["body"], [{ type: "a" }])
    assert.deepStrictEqual(single(delivery("{\"type\":\"a\"}", "b")), { type: "b", payload: { type: "a" } })
  })

  it("is bytes where it is not UTF-8, whatever its label", () => {
    for (const label of [undefined, json, "text/plain", "text/yaml", "application/x-ndjson", curl, "image/png"]) {
      const body = received(arriving(Buffer.from([0x7b, 0xff, 0x7d]), label))
      assert.deepStrictEqual(body["body"], { base64: "e/99" })
      assert.isFalse("raw" in body)
    }
  })
})

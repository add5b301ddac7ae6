import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { HttpMiddleware, HttpServerRequest } from "effect/http"
import * as Access from "../../src/http/Access.ts"
import * as ServiceConfig from "../../src/ServiceConfig.ts"
import type { Settings } from "../../src/ServiceConfig.ts"

interface Sent {
  readonly url?: string
  readonly method?: string
  readonly host?: string
  readonly [header: string]: string | undefined
}

const request = ({ method = "GET", url = "/api/state/a", ...headers }: Sent) => ({
  method,
  url,
  headers: { host: "127.0.0.1:4000", ...headers }
})

const accessOf = (settings: Partial<Settings>) => Access.make({ ...ServiceConfig.defaults, ...settings })
const verdict = (settings: Partial<Settings>, sent: Sent): string =>
  accessOf(settings).refuse(request(sent))?._tag ?? "fine"

describe("the host", () => {
  it.each([
    "127.0.0.1",
    "127.0.0.1:4000",
    "127.1.2.3:80",
    "localhost",
    "LOCALHOST:9",
    "[::1]:4000",
    "[::ffff:127.0.0.1]:4000"
  ])("%s is this machine's", (host) => assert.strictEqual(verdict({}, { host }), "fine"))

  it.each([
    "evil.example.com",
    "evil.example.com:4000",
    "127.0.0.1.evil.example.com",
    "localhost.evil.example.com",
    "localhost:4000@evil.example.com",
    "192.168.0.7:4000",
    "xlocalhost",
    "",
    "[::2]"
  ])("%s is not", (host) => assert.strictEqual(verdict({}, { host }), "Forbidden"))

  it("is needed", () => {
    assert.strictEqual(accessOf({}).refuse({ method: "GET", url: "/", headers: {} })?._tag, "Forbidden")
  })

  it("may be the bound one, or one that is allowed", () => {
    const token = Redacted.make("t")
    const authorization = "Bearer t"
    const bound = { host: "192.168.0.7", token, allowedHosts: ["mill.example.com", "other.example.com:8080"] }
    for (const host of ["192.168.0.7:4000", "mill.example.com", "MILL.example.com:1", "other.example.com:8080"]) {
      assert.strictEqual(verdict(bound, { host, authorization }), "fine", host)
    }
    for (const host of ["192.168.0.8", "other.example.com", "other.example.com:8081", "x.mill.example.com"]) {
      assert.strictEqual(verdict(bound, { host, authorization }), "Forbidden", host)
    }
  })

  it("may be any address, and no other name, where all are bound", () => {
    for (const all of ["0.0.0.0", "::"]) {
      const settings = { host: all, token: Redacted.make("t") }
      const authorization = "Bearer t"
      assert.strictEqual(verdict(settings, { host: "10.1.2.3:4000", authorization }), "fine")
      assert.strictEqual(verdict(settings, { host: "[fe80::1]:4000", authorization }), "fine")
      assert.strictEqual(verdict(settings, { host: "evil.example.com", authorization }), "Forbidden")
    }
  })

  it("is judged again after one that was fine", () => {
    const access = accessOf({})
    assert.isUndefined(access.refuse(request({})))
    assert.strictEqual(access.refuse(request({ host: "evil.example.com" }))?._tag, "Forbidden")
    assert.isUndefined(access.refuse(request({})))
  })
})

describe("the origin", () => {
  const app = { allowedOrigins: ["https://app.example.com"] }

  it("may be the server's own", () => {
    assert.strictEqual(verdict({}, { method: "POST", origin: "http://127.0.0.1:4000" }), "fine")
    assert.strictEqual(verdict({}, { method: "POST", origin: "https://127.0.0.1:4000" }), "fine")
  })

  it.each([
    "http://evil.example.com",
    "http://localhost:4000",
    "http://127.0.0.1:3000",
    "null",
    "ftp://127.0.0.1:4000",
    "http://127.0.0.1:4000.evil.example.com",
    "https://app.example.com.evil.example.com",
    "http://app.example.com",
    "https://APP.example.com"
  ])("%s is no other", (origin) => {
    for (const method of ["GET", "POST", "DELETE"]) {
      assert.strictEqual(verdict(app, { method, origin }), "Forbidden")
    }
  })

  it("that is allowed gets headers for itself alone", () => {
    const access = accessOf(app)
    const origin = "https://app.example.com"
    assert.isUndefined(access.refuse(request({ method: "POST", origin, "sec-fetch-site": "cross-site" })))
    const headers = access.headers(request({ origin }))
    assert.strictEqual(headers["access-control-allow-origin"], origin)
    assert.strictEqual(headers["vary"], "Origin")
    assert.strictEqual(access.headers(request({}))["vary"], "Origin")
    assert.isUndefined(access.headers(request({ origin: "http://evil.example.com" }))["access-control-allow-origin"])
    assert.isUndefined(access.headers(request({}))["access-control-allow-origin"])
  })

  it("has its preflight answered without a token", () => {
    const access = accessOf({ ...app, token: Redacted.make("t") })
    const preflight = { method: "OPTIONS", "access-control-request-method": "POST" }
    const answer = access.answer(request({ ...preflight, origin: "https://app.example.com" }))
    assert.strictEqual(answer?.status, 204)
    assert.include(answer?.headers["access-control-allow-headers"], "authorization")
    assert.strictEqual(access.answer(request({ ...preflight, origin: "http://evil.example.com" }))?.status, 403)
    // Without an origin it is a question for the route, which needs the token.
    assert.strictEqual(access.answer(request(preflight))?.status, 401)
  })

  it("may be any where anything is taken in", () => {
    const access = accessOf({})
    const from = { origin: "http://evil.example.com", "sec-fetch-site": "cross-site" }
    const sent = request({ method: "POST", url: "/in/t/a", ...from })
    assert.isUndefined(access.refuse(sent))
    assert.strictEqual(access.headers(sent)["access-control-allow-origin"], "http://evil.example.com")
    assert.strictEqual(access.headers(sent)["vary"], "Origin")
  })

  it("that a browser leaves out is known by the site", () => {
    const cross = { "sec-fetch-site": "cross-site" }
    assert.strictEqual(verdict({}, { ...cross, url: "/api/streams/a" }), "Forbidden")
    assert.strictEqual(verdict({}, { ...cross, method: "POST", url: "/api/streams/a" }), "Forbidden")
    assert.strictEqual(verdict({}, { ...cross, method: "DELETE" }), "Forbidden")
    assert.strictEqual(verdict({}, { ...cross, url: "/docs" }), "fine")
    for (const site of ["same-origin", "none"]) {
      assert.strictEqual(verdict({}, { "sec-fetch-site": site, url: "/api/streams/a" }), "fine")
    }
  })
})

describe("the token", () => {
  const token = Redacted.make("correct horse".replace(" ", "-"))
  const ingestToken = Redacted.make("inbox")

  it("is needed where the server has one", () => {
    assert.strictEqual(verdict({ token }, {}), "Unauthorized")
    const wrong = ["Bearer wrong", "Bearer ", "correct-horse", "Basic correct-horse", "Bearer correct-hors"]
    for (const authorization of wrong) {
      assert.strictEqual(verdict({ token }, { authorization }), "Unauthorized", authorization)
    }
    assert.strictEqual(verdict({ token }, { authorization: "Bearer correct-horse" }), "fine")
    assert.strictEqual(verdict({ token }, { authorization: "bearer correct-horse" }), "fine")
    assert.strictEqual(verdict({}, {}), "fine")
  })

  it("is not needed for health, nor where the URL has one", () => {
    for (const url of ["/health", "/health?pretty", "/in/inbox/a"]) {
      assert.strictEqual(verdict({ token }, { url }), "fine", url)
    }
    for (const url of ["/healthy", "/health/", "/HEALTH", "/inbox/a", "/", "/metrics", "//in/a"]) {
      assert.strictEqual(verdict({ token }, { url }), "Unauthorized", url)
    }
  })

  it("of a URL only takes in", () => {
    const access = accessOf({ token, ingestToken })
    assert.isUndefined(access.judgeIngest("inbox"))
    assert.strictEqual(access.judgeIngest("outbox")?._tag, "Unauthorized")
    assert.strictEqual(access.judgeIngest("correct-horse")?._tag, "Unauthorized")
    assert.strictEqual(accessOf({ token }).judgeIngest("")?._tag, "Forbidden")
    assert.strictEqual(verdict({ token, ingestToken }, { authorization: "Bearer inbox" }), "Unauthorized")
  })

  it("is found in a URL", () => {
    for (const url of ["/in/inbox/a/b", "/in/inbox", "/in/inbox/", "/in/inbox?as=x", "/in/inbox/%2Fa"]) {
      assert.strictEqual(Access.ingestTokenIn(url), "inbox", url)
    }
    for (const url of ["/in//inbox", "/in/", "/other/inbox"]) assert.strictEqual(Access.ingestTokenIn(url), "", url)
  })

  it("is never repeated", () => {
    const access = accessOf({ token, ingestToken })
    const told = [
      access.refuse(request({ authorization: "Bearer hunter2" })),
      access.judgeIngest("hunter2"),
      access.refuse(request({ url: "/in/hunter2/%zz" }))
    ].map((error) => JSON.stringify(error) + error?.message).join()
    assert.notInclude(told, "hunter2")
    assert.notInclude(told, "correct-horse")
  })
})

describe("what spans tell", () => {
  const isTold = (query: string) => Access.tellable("url.query", query) === query

  it("is of no URL that may hold a token, however it is spelled", () => {
    const { TracerDisabledWhen } = HttpMiddleware
    const isDisabled = Effect.runSync(Effect.provide(TracerDisabledWhen, Access.layerTracing))
    const hasSpan = (url: string) =>
      !isDisabled(HttpServerRequest.fromWeb(new Request("http://localhost/")).modify({ url }))
    const spelled = [
      "/in/hunter2/x", "//in/hunter2", "/IN/hunter2", "/./in/hunter2/x", "/x/../in/hunter2/x", "/%69n/hunter2/x",
      "/in;a/hunter2", "/%2fin/hunter2", "/in%2fhunter2", "\\in\\hunter2", "http://localhost/in/hunter2", "in/hunter2",
      "/api/../in/hunter2", "/api/./../in/hunter2", "/api/%2e%2e/in/hunter2", "/api/.%2E/in/hunter2",
      "/api\\..\\in/hunter2", "/api/\\..\\in/hunter2", "/api/..%2fin/hunter2", "/api/..;/in/hunter2",
      "/api/.\t./in/hunter2", "/api//in/hunter2", "/api/in/hunter2",
      "/api/streams/..", "/health/../in/hunter2", "/metrics/hunter2", "/x", "/api/streams/a#hunter2", "/?x#hunter2"
    ]
    for (const url of spelled) assert.isFalse(hasSpan(url), url)
    const plain = [
      "/", "/?x", "/health", "/health?a=b", "/metrics", "/docs", "/openapi.json", "/api/streams/a/b", "/api/streams/**",
      "/api/children/?recursive", "/api/streams/in/a.b/.c..d%20e", "/api/inx", "/api/streams/a?from=//x/../%2F"
    ]
    for (const url of plain) assert.isTrue(hasSpan(url), url)
  })

  it("is a query only where a read has all of its names", () => {
    for (const query of ["format=json&limit=2", "live", "pretty&types=a,b"]) assert.isTrue(isTold(query), query)
    for (const query of ["hunter2", "format=json&hunter2", "as=hunter2", "live&&", "%66ormat=x", "=hunter2"]) {
      assert.isFalse(isTold(query), query)
      assert.strictEqual(Access.tellable("url.full", `http://a/b?${query}`), "http://a/b?REDACTED")
    }
    assert.strictEqual(Access.tellable("url.full", "http://a/b"), "http://a/b")
    assert.strictEqual(Access.tellable("url.full", "http://a/b?live"), "http://a/b?live")
  })

  it("is no header", () => {
    assert.isUndefined(Access.tellable("user_agent.original", "curl/8"))
    assert.strictEqual(Access.tellable("http.response.status_code", 201), 201)
  })
})

describe("the URL", () => {
  it("is percent-encoded text before its query", () => {
    for (const url of ["/api/state/%zz", "/api/state/%", "/api/state/%ff", "/in/t/%c3%28"]) {
      assert.strictEqual(verdict({}, { url }), "InvalidPath", url)
    }
    for (const url of ["/api/state/%2Fa", "/api/state/a?x=%zz"]) assert.strictEqual(verdict({}, { url }), "fine", url)
  })
})

describe("a binding", () => {
  it("beyond this machine needs a token", () => {
    for (const host of ["127.0.0.1", "localhost", "::1", "127.9.9.9"]) {
      assert.isUndefined(Access.judgeBinding({ host, token: undefined }), host)
    }
    for (const host of ["0.0.0.0", "::", "192.168.0.7", "example.com", ""]) {
      assert.include(Access.judgeBinding({ host, token: undefined }), "MILLSTREAM_TOKEN", host)
      assert.isUndefined(Access.judgeBinding({ host, token: Redacted.make("t") }), host)
    }
  })
})

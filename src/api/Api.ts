/** The whole HTTP contract as data. Server, client, OpenAPI document and CLI derive from it. */
import { HttpApi, OpenApi } from "effect/http-api"
import { ClaimsApi } from "./ClaimsApi.ts"
import * as Documentation from "./Documentation.ts"
import { InspectApi } from "./InspectApi.ts"
import { ProcessorsApi } from "./ProcessorsApi.ts"
import { StreamsApi } from "./StreamsApi.ts"
import { SystemApi } from "./SystemApi.ts"

export class Api extends HttpApi.make("millstream").add(
  StreamsApi,
  InspectApi,
  ProcessorsApi,
  ClaimsApi,
  SystemApi
).annotateMerge(
  OpenApi.annotations({
    title: "Millstream",
    version: "1",
    description: "Append-only event streams at URLs, on a Postgres log. Errors are problem documents (RFC 9457) " +
      "whose `_tag` names the error. An unknown query parameter is refused, naming the nearest. JSON is printed on " +
      "several lines for curl, and with `?pretty`."
  })
).annotateMerge(Documentation.withToken) {}

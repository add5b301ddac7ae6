/** Node's own request and response behind Effect's, for what is read and written without a copy in between. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { IncomingMessage, ServerResponse } from "node:http"

/** The service speaks HTTP/1.1; where its routes are mounted in a server that does not, it says so. */
const foreign = () => new Error("Millstream's routes need a server of node:http")

export const incomingOf = (request: HttpServerRequest): IncomingMessage => {
  const incoming = NodeHttpServerRequest.toIncomingMessage(request)
  if (incoming instanceof IncomingMessage) return incoming
  throw foreign()
}

export const responseOf = (request: HttpServerRequest): ServerResponse => {
  const response = NodeHttpServerRequest.toServerResponse(request)
  if (response instanceof ServerResponse) return response
  throw foreign()
}

/** What the service says when it starts. */
import { Data } from "effect"
import * as NetAddress from "effect/net/NetAddress"

/** The service must not start like this; `message` says what to do. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

/** Where it can be reached from this machine. */
export const urlOf = (address: NetAddress.SocketAddress): string =>
  NetAddress.formatUrlUnsafe(address).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")

export const text = (url: string): string =>
  `Millstream is at ${url}

Try it:
  curl -d 'type: ping' ${url}/api/streams/hello
  curl '${url}/api/streams/hello?live=false'
  curl ${url}
`

/** `millstream/client`: the `Streams` service over HTTP, and processors that run here on the streams of a server. */
export type { Options } from "./client/Client.ts"
export * as Client from "./client/Client.ts"
export { layer, make } from "./client/Client.ts"
export * as RemoteProcessors from "./client/RemoteProcessors.ts"

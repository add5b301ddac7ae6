/** `millstream/client`: the `Streams` service over HTTP. */
export type { Options } from "./client/Client.ts"
export * as Client from "./client/Client.ts"
export { layer, make } from "./client/Client.ts"

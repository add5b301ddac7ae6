/** `millstream/testing`: what tests of processors are written with. */
export * as Scenario from "./testing/Scenario.ts"
export { TestHost } from "./testing/TestHost.ts"
export type { Options as TestHostOptions, Provided } from "./testing/TestHost.ts"

/** `millstream/server`: the service as Layers, to run it, to embed it, or to mount its routes. */
export { layer, layerHeadless, layerOptions, routes } from "./main.ts"
/** How `routes` match URLs: for the router that they are mounted in. */
export { config as routerConfig } from "./http/Routing.ts"
/** Keeps URLs that hold a token out of traces: for the server that `routes` are mounted in. */
export { layerTracing } from "./http/Access.ts"
export { ServiceConfig } from "./ServiceConfig.ts"
export type { Settings } from "./ServiceConfig.ts"

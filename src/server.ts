/** `millstream/server`: the service as Layers, to run it, to embed it, or to mount its routes. */
export { layer, layerHeadless, layerOptions, routes } from "./main.ts"
export { ServiceConfig } from "./ServiceConfig.ts"
export type { Settings } from "./ServiceConfig.ts"

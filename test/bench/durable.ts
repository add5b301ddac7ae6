/**
 * The reference server of Durable Streams with its file store, as published. It acknowledges after `fdatasync`. Its
 * pool holds 100 open files; with more streams (0.3.7) an append whose file is closed before its `fdatasync` is
 * answered 404, so a benchmark must use fewer.
 */
import { DurableStreamTestServer } from "@durable-streams/server"
import * as Reference from "./Reference.ts"

const dataDir = process.env["DATA_DIR"]
if (dataDir === undefined) throw new Error("set DATA_DIR to an empty folder")
const server = new DurableStreamTestServer({ host: "127.0.0.1", port: 0, dataDir })
console.log(JSON.stringify({ url: await server.start() }))
Reference.endWithParent()

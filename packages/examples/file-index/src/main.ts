/** `node main.ts [folder] [--db FILE] [--workers N]`: indexes a folder into SQLite, with a herd. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { columns, folding } from "@lemmings/examples-usage"
import {
  Cause,
  Console,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Option,
  References,
  Runtime,
  Schema
} from "effect"
import { Argument, CliOutput, Command, Flag } from "effect/cli"
import { existsSync, mkdirSync, realpathSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { FileIndex } from "./Index.ts"
import { IndexHerd } from "./IndexHerd.ts"
import { missing, render } from "./Report.ts"
import { run } from "./Run.ts"

/** The packages that this workspace has installed. */
const installed = fileURLToPath(new URL("../../../../node_modules/.pnpm", import.meta.url))

/** In the checkout: nobody else's folder, which another user could have filled before. */
const ownFile = fileURLToPath(
  new URL("../../../../node_modules/.cache/lemmings/file-index.sqlite", import.meta.url)
)

/** A command that makes no sense: exit code 2. The message is empty when it has been shown already. */
class BadUsage extends Schema.TaggedError<BadUsage>()("BadUsage", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

/** Indexed files that the database does not have. */
class RowsMissing extends Schema.TaggedError<RowsMissing>()("RowsMissing", { count: Schema.Int }) {
  override get message() {
    return `${this.count} indexed files are not in the database. Is its disk full?`
  }
}

const folder = Argument.Directory("folder", { mustExist: true }).pipe(
  Argument.withDescription("Folder to index. Links are not followed. Default: the installed packages"),
  Argument.withDefault(installed)
)

const flags = {
  db: Flag.File("db").pipe(
    Flag.withDescription("Database file. An index that it holds is replaced"),
    Flag.withDefault(ownFile)
  ),
  workers: Flag.Int("workers").pipe(
    Flag.withDescription("Most workers, each with its own connection, 1 to 256. The load decides how many"),
    Flag.filter(
      (n) => n >= 1 && n <= 256,
      (n) => `Expected 1 to 256 workers, got ${n}`
    ),
    Flag.withDefault(8)
  ),
  interval: Flag.Int("interval").pipe(
    Flag.withDescription("Milliseconds between progress lines when the output is no terminal"),
    Flag.filter(
      (n) => n >= 1,
      (n) => `Expected at least 1 millisecond, got ${n}`
    ),
    Flag.withDefault(1_000)
  )
}

/** Real paths, so that the walk recognises the database when it comes by. */
const realFolder = (path: string): Effect.Effect<string, BadUsage> =>
  existsSync(path)
    ? Effect.succeed(realpathSync(path))
    : Effect.fail(new BadUsage({ message: `There is no folder ${path}` }))

const index = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly db: string
  readonly workers: number
  readonly interval: number
}) {
  const root = yield* realFolder(resolve(options.folder))
  const place = resolve(options.db)
  if (place === ownFile) mkdirSync(dirname(place), { recursive: true })
  const file = join(yield* realFolder(dirname(place)), basename(place))
  yield* Console.log(`Indexing ${root} with at most ${options.workers} workers.`)

  const stop = yield* Deferred.make<void>()
  const work = run({
    root,
    interval: Duration.millis(options.interval),
    inPlace: process.stdout.isTTY,
    stop
  }).pipe(
    Effect.tap((report) => Console.log(render(report, node, columns()))),
    Effect.tap((report) =>
      missing(report) === 0 ? Effect.void : new RowsMissing({ count: missing(report) })
    ),
    Effect.provide(Layer.provideMerge(IndexHerd.live(options.workers), FileIndex.layer({ file, root }))),
    Effect.catchTag("NotAnIndex", ({ message }) => new BadUsage({ message }))
  )
  // Ctrl-C interrupts this fiber. The work is not its child: it is told to finish, and waited for.
  const fiber = yield* Effect.forkDetach(work)
  yield* Fiber.join(fiber).pipe(
    Effect.onInterrupt(() =>
      Effect.suspend(() => {
        // A second Ctrl-C ends at once. The database stays whole; the last rows of each worker are not in it.
        process.once("SIGINT", () => process.exit(130))
        return Effect.andThen(Deferred.succeed(stop, undefined), Fiber.join(fiber))
      })
    )
  )
})

/** What runs this very Node.js again: that of the shell may be another one, too old for SQLite, or none. */
const node = `'${process.execPath.replaceAll("'", `'\\''`)}'`

const command = Command.make("file-index", { folder, ...flags }, index).pipe(
  Command.withDescription("Index every file under a folder into a SQLite database, with a herd of workers.")
)

Command.run(command, { version: "0.1.0" }).pipe(
  // The help, and what was wrong, have been shown by then.
  Effect.catchTag("ShowHelp", ({ errors }) =>
    errors.length === 0 ? Effect.void : Effect.fail(new BadUsage({ message: "" }))
  ),
  Effect.tapCause((cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.void
    const message = Option.match(Cause.findErrorOption(cause), {
      onNone: () => Cause.pretty(cause),
      onSome: (error) => error.message
    })
    return message === "" ? Effect.void : Console.error(message)
  }),
  // The herd logs each change of its number of workers, and the progress shows them.
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  Effect.provide([
    CliOutput.layer(folding(CliOutput.defaultFormatter({ colors: false }))),
    NodeServices.layer
  ]),
  (program) => NodeRuntime.runMain(program, { disableErrorReporting: true })
)

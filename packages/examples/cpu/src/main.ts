// Compresses and hashes the files of a folder: `node src/main.ts [folder]`. First on the main thread, then on threads.
import { NodeRuntime } from "@effect/platform-node"
import { argumentsOf, fitted, refuse } from "@lemmings/examples-usage"
import { Console, Effect } from "effect"
import { statSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { filesOf, onMainThread, onThreads, Shrinking } from "./compare.ts"
import { line, verdict } from "./verdict.ts"

const usage = `node src/main.ts [folder]

Compresses and hashes the text files of a folder (.ts .js
.json .md), by default of this checkout: first on the main
thread, then on threads. Says whether that paid.`

const [given] = argumentsOf(usage, 1)
if (given !== undefined && statSync(given, { throwIfNoEntry: false })?.isDirectory() !== true)
  refuse(`There is no folder ${given}.`, usage)

const folder = given ?? fileURLToPath(new URL("../../..", import.meta.url))
const paths = filesOf(folder).filter((path) => !/node_modules|dist|coverage/.test(path.slice(folder.length)))
if (paths.length === 0) refuse(`There are no text files in ${folder}.`, usage)

const threads = availableParallelism()

const program = Effect.gen(function* () {
  const main = yield* onMainThread(paths)
  yield* Console.log(fitted(line("main thread", main)))
  const others = yield* onThreads(paths, (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${paths.length} files\r`)
  })
  yield* Console.log(fitted(line(`${threads} threads`, others)))
  yield* Console.log(fitted(verdict(main, others, threads)))
}).pipe(
  // The main thread has little to do here, so every processor gets a thread.
  Effect.provide(Shrinking.layer({ workers: { min: threads, max: threads } }))
)

NodeRuntime.runMain(program)

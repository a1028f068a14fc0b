// Compresses and hashes the files of a folder: `node src/main.ts [folder]`. First on the main thread, then on threads.
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { filesOf, onMainThread, onThreads, type Run, Shrinking } from "./compare.ts"

const folder = process.argv[2] ?? fileURLToPath(new URL("../../..", import.meta.url))
const threads = availableParallelism()

const line = (where: string, { files, megabytes, seconds, stuckMillis }: Run) =>
  `${where.padEnd(18)}${files} files, ${megabytes.toFixed(1)} MB in ${seconds.toFixed(2)} s; ` +
  `the event loop stood still for ${stuckMillis.toFixed(0)} ms at most`

const program = Effect.gen(function* () {
  const paths = filesOf(folder).filter(
    (path) => !/node_modules|dist|coverage/.test(path.slice(folder.length))
  )
  if (paths.length === 0) return console.log(`no text files in ${folder}`)
  console.log(line("main thread:", yield* onMainThread(paths)))
  const run = yield* onThreads(paths, (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${paths.length} files\r`)
  })
  console.log(line(`${threads} threads:`, run))
}).pipe(
  // The main thread has little to do here, so every processor gets a thread.
  Effect.provide(Shrinking.layer({ workers: { min: threads, max: threads } }))
)

NodeRuntime.runMain(program)

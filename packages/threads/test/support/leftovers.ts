// A process that uses threads, one of them busy, and must end by itself.
import { Effect } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all, Echo } from "./tasks.ts"

class Threads extends ThreadHerd.Service<Threads>()("test/Leftovers", {
  tasks: all,
  worker: new URL("./all.worker.ts", import.meta.url)
}) {}

const program = Effect.gen(function* () {
  const herd = yield* Threads
  yield* Threads.runAll(Array.from({ length: 100 }, (_, i) => Echo(i)))
  yield* Effect.forkChild(Threads.run(Act({ what: "spin" })))
  yield* Effect.sleep("50 millis")
  const { abandoned, leaked } = yield* herd.kill
  return { abandoned, leaked }
})

await Effect.runPromise(
  program.pipe(Effect.provide(Threads.layer({ workers: { min: 2, max: 2 } })), Effect.scoped)
).then((report) => {
  process.stdout.write(JSON.stringify({ ...report, active: process.getActiveResourcesInfo() }))
})

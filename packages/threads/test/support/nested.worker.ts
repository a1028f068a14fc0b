// A thread whose handler has a herd of processes.
import * as Effect from "effect/Effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import * as ThreadTasks from "../../src/thread/ThreadTasks.ts"
import { Hang } from "./nested.tasks.ts"
import { Act, all } from "./tasks.ts"

class Inner extends ThreadHerd.Service<Inner>()("test/Inner", {
  tasks: all,
  worker: new URL("./all.worker.ts", import.meta.url)
}) {}

export default ThreadTasks.serve([Hang], {
  // A promise hears of no interruption: the thread has to be terminated.
  Hang: ({ mark }) =>
    Effect.runPromise(
      Effect.provide(
        Effect.asVoid(Effect.orDie(Inner.run(Act({ what: "spin" })))),
        Inner.layer({ isolation: "process", argv: [mark], workers: { max: 1 } })
      )
    )
})

import * as Effect from "effect/Effect"
import { threadId } from "node:worker_threads"
import * as ThreadTasks from "../../src/thread/ThreadTasks.ts"
import { extras } from "./extras.tasks.ts"

let told = 0
const at = new Date(0)

export default ThreadTasks.serve(extras, {
  Tell: ({ count, flag, how }, context) => {
    told = 0
    const say = (n: number) => {
      const said = context.report({ at, n })
      told = n
      if (flag !== undefined) Atomics.store(flag, 0, n)
      return said
    }
    if (how === "effect") {
      return Effect.as(
        Effect.forEach(
          Array.from({ length: count }, (_, i) => i + 1),
          (n) => Effect.promise(() => say(n)),
          { discard: true }
        ),
        count
      )
    }
    if (how === "awaits") {
      return (async () => {
        for (let n = 1; n <= count && !context.aborted; n++) await say(n)
        return told
      })()
    }
    if (how === "badly") return context.report({ at, n: 0.5 }).then(() => 1)
    for (let n = 1; n <= count && !context.aborted; n++) void say(n)
    return told
  },
  Where: (payload) => {
    const until = performance.now() + (payload?.millis ?? 0)
    while (performance.now() < until);
    const { argv, env, pid } = process
    return { threadId, pid, argv: argv.slice(2), data: ThreadTasks.workerData, told, env: { ...env } }
  }
})

/** One task on every thread of a herd. */
import { Context, Effect, type Exit } from "effect"
import { type Caller, CurrentThread } from "../task/ThreadTask.ts"
import type { Thread } from "./Thread.ts"

/** What a task is started with: the thread, which nobody takes it back from. */
const pinned = (thread: Thread): Caller => ({
  start: (call, context, end) => thread.start(call, context, end, true)
})

/** Runs the call on each of the threads at the same time. */
export const on = (
  threads: ReadonlySet<Thread>,
  call: Effect.Effect<unknown, unknown>
): Effect.Effect<ReadonlyArray<{ readonly workerId: number; readonly exit: Exit.Exit<unknown, unknown> }>> =>
  Effect.forEach(
    [...threads].filter(({ lost }) => !lost),
    (thread) =>
      Effect.map(
        Effect.exit(Effect.updateContext(call, Context.add(CurrentThread, pinned(thread)))),
        (exit) => ({ workerId: thread.workerId, exit })
      ),
    { concurrency: "unbounded" }
  )

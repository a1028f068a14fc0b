import * as ThreadTask from "../../src/task/ThreadTask.ts"

/** Does what no handler should. */
export const Misbehave = ThreadTask.make("Misbehave", {
  payload: ThreadTask.cloned<{
    readonly how: "echo" | "throw" | "fail" | "return" | "return with" | "send" | "patch"
    readonly name?: string
    readonly seed?: number
    readonly millis?: number
    readonly value?: unknown
  }>(),
  success: ThreadTask.cloned<unknown>(),
  error: ThreadTask.cloned<unknown>()
})

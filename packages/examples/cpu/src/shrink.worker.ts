// What each thread runs. The task is imported as a type, so that the thread starts without Effect.
import { serve } from "@lemmings/threads/worker"
import { shrink } from "./shrink.ts"
import type { Shrink } from "./tasks.ts"

export default serve<[typeof Shrink]>({ Shrink: ({ path }) => shrink(path) })

import * as ThreadTask from "../../src/task/ThreadTask.ts"

/** Never ends, in a process of its own. */
export const Hang = ThreadTask.make("Hang", {
  payload: ThreadTask.cloned<{ readonly mark: string }>()
})

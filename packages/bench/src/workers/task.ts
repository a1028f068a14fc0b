import { ThreadTask } from "@lemmings/threads"
import type { Work } from "./work.ts"

export const Do = ThreadTask.make("Do", {
  payload: ThreadTask.cloned<Work>(),
  success: ThreadTask.cloned<unknown>()
})

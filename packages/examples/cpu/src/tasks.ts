import { ThreadTask } from "@lemmings/threads"
import type { Shrunk } from "./shrink.ts"

export const Shrink = ThreadTask.make("Shrink", {
  payload: ThreadTask.cloned<{ readonly path: string }>(),
  success: ThreadTask.cloned<Shrunk>()
})

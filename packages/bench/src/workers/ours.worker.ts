import { serve } from "@lemmings/threads/worker"
import type { Do } from "./task.ts"
import { work } from "./work.ts"

export default serve<[typeof Do]>({
  Do: (given, { transfer }) => {
    const result = work(given)
    return result instanceof ArrayBuffer ? transfer(result, [result]) : result
  }
})

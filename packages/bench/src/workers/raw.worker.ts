// A thread as one writes it by hand: no pool, no types, no errors, many messages on their way.
import { parentPort } from "node:worker_threads"
import { work, type Work } from "./work.ts"

parentPort?.on("message", ([id, given]: [number, Work]) => {
  const result = work(given)
  parentPort?.postMessage([id, result], result instanceof ArrayBuffer ? [result] : [])
})

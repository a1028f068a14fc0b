import { type MessagePort, workerData } from "node:worker_threads"
import { serve } from "../../src/thread/worker.ts"
import { hostile } from "./hostile.ts"
import type { Misbehave } from "./hostile.tasks.ts"
import { randomValues } from "./random.ts"

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

export default serve<[typeof Misbehave]>({
  Misbehave: async ({ how, millis = 0, name = "", seed = 0, value }, { fail, transfer }) => {
    switch (how) {
      case "echo":
        if (millis > 0) await pause(millis)
        return value
      case "throw":
        throw hostile[name]?.()
      case "fail":
        return fail(hostile[name]?.())
      case "return":
        return { value: hostile[name]?.() }
      case "return with":
        return transfer({ value: hostile[name]?.(), bytes: value }, [
          (value as Uint8Array<ArrayBuffer>).buffer
        ])
      case "send": {
        const send = (said: unknown) => {
          try {
            const port = (workerData as { readonly port?: MessagePort } | null)?.port
            if (port === undefined) process.send?.(said)
            else port.postMessage(said, [])
          } catch {
            // It cannot be sent.
          }
        }
        for (const said of randomValues(seed, 300)) send(said)
        await pause(20)
        return value
      }
      case "patch":
        Object.assign(Array, { isArray: () => false })
        Object.assign(Number, { isInteger: () => false })
        return value
    }
  }
})

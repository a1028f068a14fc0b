// Processes that work off one queue together.
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { counter } from "./counter.ts"
import type { EngineName } from "./engines.ts"

const file = fileURLToPath(new URL("../workers/engine.worker.ts", import.meta.url))

type Order = "open" | "work" | "close"

type Message =
  | { readonly done: Order }
  | { readonly begun: ReadonlyArray<number>; readonly first: number; readonly last: number }

export const crew = (size: number, name: EngineName, where: string) => {
  let current = counter(0)
  const children = Array.from({ length: size }, () => fork(file, [name, where]))
  const done: Array<(order: Order) => void> = children.map(() => () => {})
  children.forEach((child, i) => {
    child.on("message", (message: Message) => {
      if ("done" in message) return done[i]?.(message.done)
      for (const n of message.begun) current.begun(n, message.first, message.last)
    })
    child.on("exit", (code) => current.fail(new Error(`a process of ${name} ended with ${code}`)))
  })
  const tell = (order: Order) =>
    Promise.all(
      children.map((child, i) => {
        child.send(order)
        return new Promise<Order>((resolve) => {
          done[i] = resolve
        })
      })
    )
  return {
    /** Milliseconds a job, from the first that begins in any of them to the last of `count`. */
    drain: async (count: number): Promise<number> => {
      current = counter(count)
      const { spanPerJob } = current
      // All have connected before one begins.
      await Promise.race([tell("open"), spanPerJob])
      void tell("work")
      const millis = await spanPerJob
      await tell("close")
      return millis
    },
    end: () => {
      for (const child of children) {
        child.removeAllListeners("exit")
        child.disconnect()
      }
    }
  }
}

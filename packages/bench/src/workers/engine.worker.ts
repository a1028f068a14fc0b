// A second machine, as it were: `engine.worker.ts <engine> <where>`. It does what it is told, and answers when it has:
// `open` the engine, `work`, `close` it. While it works it tells which jobs have begun, and when.
import { setTimeout as sleep } from "node:timers/promises"
import type { Engine } from "../engines/Engine.ts"
import { contender, type EngineName } from "../engines/engines.ts"

const [name, where] = process.argv.slice(2)
const { open } = contender(name as EngineName)

let engine: Engine | undefined
let begun: Array<number> = []
let first = 0
let last = 0
/** The same clock in every process. */
const now = () => performance.timeOrigin + performance.now()

const orders = {
  open: async () => {
    engine = await open(where ?? "")
  },
  work: async () => {
    await engine?.work(({ n }) => {
      last = now()
      if (begun.length === 0) first = last
      begun.push(n)
    })
  },
  close: async () => {
    await engine?.close()
  }
}

process.on("message", (order: keyof typeof orders) => {
  void orders[order]().then(() => process.send?.({ done: order }))
})
process.once("disconnect", () => process.exit())

for (;;) {
  // A message for each job would take longer than the job.
  await sleep(2)
  if (begun.length === 0) continue
  process.send?.({ begun, first, last })
  begun = []
}

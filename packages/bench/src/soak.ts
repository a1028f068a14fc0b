// Whether a herd keeps anything of the tasks that it has done.
import { Effect } from "effect"
import { withHerd } from "./herds.ts"
import { bytesInUse, timed } from "./measure.ts"
import type { Bench, Sample } from "./Race.ts"

const rounds = 10
/** Below this, what grows is compiled code and rounding, not something kept of each task: that takes 16 bytes or more. */
const flat = 2

export const soak: Bench = {
  name: "soak",
  about: "memory and time per task while one herd runs 1,000,000 tasks",
  races: (size) => {
    const quick = size === "quick"
    const each = quick ? 1_000 : 100_000
    const heaps = Array.from({ length: rounds }, (_, i) => `heap/${(i + 1) * each}`)
    const sample = (): Promise<Sample> =>
      withHerd(async (herd) => {
        const batch = Effect.forEach(
          Array.from({ length: each }, (_, i) => Effect.promise(() => Promise.resolve(i))),
          (task) => herd.run(task),
          { concurrency: "unbounded", discard: true }
        )
        const figures: Record<string, number> = {}
        let ns = 0
        for (const heap of heaps) {
          ns += await timed(() => Effect.runPromise(batch))
          figures[heap] = await bytesInUse()
        }
        // The first half is left to V8, which drops code it finds unused: some MB, which would hide a leak.
        const first = figures[heaps[rounds / 2] ?? ""] ?? NaN
        const last = figures[heaps[rounds - 1] ?? ""] ?? NaN
        return { ...figures, run: ns / (rounds * each), growth: (last - first) / ((rounds / 2 - 1) * each) }
      })
    return [
      {
        name: "soak",
        units: {
          ...Object.fromEntries(heaps.map((heap) => [heap, "bytes"])),
          run: "ns/task",
          growth: "bytes/task"
        },
        repetitions: 1,
        ours: sample,
        peers: {},
        note: `Memory in use after each ${each} tasks, garbage collected; growth over the second half.`,
        verdict: ({ growth = NaN }) =>
          `Memory ${growth < flat ? "is flat" : "GROWS"}: ${growth.toFixed(2)} bytes per task.`
      }
    ]
  }
}

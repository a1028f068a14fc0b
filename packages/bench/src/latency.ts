// How soon an idle worker starts a task.
import { Effect } from "effect"
import fastq from "fastq"
import { setImmediate as nextTurn } from "node:timers/promises"
import PQueue from "p-queue"
import { withHerd, workers } from "./herds.ts"
import { nanos, quantile } from "./measure.ts"
import type { Bench, Sample } from "./Race.ts"

/** Times from `begin` to `started`, one task at a time, with a turn of the event loop in between. */
const sample = async (
  n: number,
  submit: (started: () => void, begin: () => void) => Promise<unknown>
): Promise<Sample> => {
  const waits: Array<number> = []
  const warm = n / 2
  for (let i = 0; i < n + warm; i++) {
    let start = 0
    let end = 0
    await submit(
      () => {
        end = nanos()
      },
      () => {
        start = nanos()
      }
    )
    if (i >= warm) waits.push(end - start)
    await nextTurn()
  }
  return { p50: quantile(waits, 0.5), p99: quantile(waits, 0.99) }
}

export const latency: Bench = {
  name: "latency",
  about: "time from submission to start on an idle worker",
  races: (size) => {
    const quick = size === "quick"
    const n = quick ? 100 : 10_000
    return [
      {
        name: "latency/idle",
        units: { p50: "ns", p99: "ns" },
        ours: () =>
          withHerd((herd) =>
            sample(n, (started, begin) =>
              Effect.runPromise(
                Effect.gen(function* () {
                  const task = Effect.sync(started)
                  begin()
                  const handle = yield* herd.submit(task)
                  yield* handle.join
                })
              )
            )
          ),
        peers: {
          "p-queue": () => {
            const queue = new PQueue({ concurrency: workers })
            return sample(n, (started, begin) => {
              begin()
              return queue.add(started)
            })
          },
          "fastq.promise": () => {
            const queue = fastq.promise(async (task: () => void) => task(), workers)
            return sample(n, (started, begin) => {
              begin()
              return queue.push(started)
            })
          }
        },
        note: `${n} tasks, one at a time.`
      }
    ]
  }
}

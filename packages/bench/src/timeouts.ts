// Whether a timeout frees the worker while the work goes on.
import Bottleneck from "bottleneck"
import { Effect, Semaphore } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import PQueue from "p-queue"
import { withHerd } from "./herds.ts"
import type { Bench, Sample } from "./Race.ts"

/** Work that ignores cancellation, as most does, and counts how many of it run at once. */
const makeWork = (millis: number) => {
  let running = 0
  let most = 0
  let ended = 0
  const work = async () => {
    most = Math.max(most, ++running)
    await sleep(millis)
    running--
    ended++
  }
  return {
    work,
    effect: Effect.uninterruptible(Effect.promise(work)),
    /** Starts the tasks, waits for callers and for work that outlives them. */
    greatest: async (start: () => ReadonlyArray<Promise<unknown>>): Promise<Sample> => {
      const callers = start()
      await Promise.allSettled(callers)
      while (ended < callers.length) await sleep(10)
      return { "": most }
    }
  }
}

const four = <A>(start: () => Promise<A>): Array<Promise<A>> => Array.from({ length: 4 }, start)

export const timeouts: Bench = {
  name: "timeouts",
  about: "tasks that really run at once where one is allowed, after timeouts",
  races: (size) => {
    const quick = size === "quick"
    const workMillis = quick ? 60 : 300
    const timeout = quick ? 10 : 50
    return [
      {
        name: "timeouts/overrun",
        units: { "": "running" },
        repetitions: 1,
        ours: () =>
          withHerd((herd) => {
            const { effect, greatest } = makeWork(workMillis)
            return greatest(() => four(() => Effect.runPromise(herd.run(effect, { timeout }))))
          }, 1),
        peers: {
          "p-queue": () => {
            const { greatest, work } = makeWork(workMillis)
            const queue = new PQueue({ concurrency: 1 })
            return greatest(() => four(() => queue.add(work, { timeout })))
          },
          bottleneck: () => {
            const { greatest, work } = makeWork(workMillis)
            const limiter = new Bottleneck({ maxConcurrent: 1 })
            return greatest(() => four(() => limiter.schedule({ expiration: timeout }, work)))
          },
          "Effect.Semaphore": () => {
            const { effect, greatest } = makeWork(workMillis)
            const semaphore = Semaphore.makeUnsafe(1)
            const task = semaphore.withPermits(1)(Effect.timeout(effect, timeout))
            return greatest(() => four(() => Effect.runPromise(task)))
          }
        },
        note: `Four tasks of ${workMillis} ms with a timeout of ${timeout} ms, concurrency 1. The work ignores cancellation.`
      }
    ]
  }
}

// What it costs to take a waiting task back.
import { Effect } from "effect"
import PQueue from "p-queue"
import { withHerd, workers } from "./herds.ts"
import { gc, seeded, timed } from "./measure.ts"
import type { Bench, Contestant, Race } from "./Race.ts"

/** The items as they are, or in an order that is random and the same in every run. */
const arrange = <A>(items: ReadonlyArray<A>, shuffled: boolean): ReadonlyArray<A> => {
  if (!shuffled) return items
  const random = seeded(items.length)
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** `prepare` queues `n` tasks and returns what cancels all of them. */
const measure = async (n: number, prepare: (n: number) => Promise<() => Promise<unknown>>) => {
  for (let i = 0; i < 5; i++) await (await prepare(Math.min(n, 2_000)))()
  const cancel = await prepare(n)
  await gc()
  return { "": (await timed(cancel)) / n }
}

const ours =
  (n: number, shuffled: boolean): Contestant =>
  () =>
    withHerd(async (herd) => {
      await Effect.runPromise(herd.pause)
      return measure(n, async (n) => {
        const submitted = Effect.forEach(Array.from({ length: n }), () => herd.submit(Effect.void))
        const handles = arrange(await Effect.runPromise(submitted), shuffled)
        const cancel = Effect.forEach(handles, (handle) => handle.interrupt, { discard: true })
        return () => Effect.runPromise(cancel)
      })
    })

const pQueue =
  (n: number, shuffled: boolean): Contestant =>
  () => {
    const queue = new PQueue({ concurrency: workers, autoStart: false })
    return measure(n, async (n) => {
      const controllers = Array.from({ length: n }, () => new AbortController())
      const ended = controllers.map(({ signal }) => queue.add(() => undefined, { signal }))
      // Before the timed part: the promise reactions are the caller's, not p-queue's.
      const all = Promise.allSettled(ended)
      const order = arrange(controllers, shuffled)
      return () => {
        for (const controller of order) controller.abort()
        return all
      }
    })
  }

const race = (n: number, pQueueMost: number, shuffled: boolean): Race => ({
  name: `cancel/${n}${shuffled ? "/shuffled" : ""}`,
  units: { "": "ns/task" },
  ours: ours(n, shuffled),
  peers: { "p-queue": pQueue(pQueueMost, shuffled) },
  note: `${n} waiting tasks, interrupted in ${shuffled ? "random order" : "the order of submission"}; p-queue: ${pQueueMost}, and an AbortSignal each.`
})

export const cancel: Bench = {
  name: "cancel",
  about: "time to interrupt a waiting task",
  races: (size) => {
    const quick = size === "quick"
    const n = quick ? 1_000 : 100_000
    const pQueueMost = size === "long" ? n : Math.min(n, 20_000)
    return [race(n, pQueueMost, false), race(n, pQueueMost, true)]
  }
}

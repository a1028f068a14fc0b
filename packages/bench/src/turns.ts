// How long a herd with very much to do keeps the event loop: the longest gap between two beats of a 1 ms timer.
import { Effect } from "effect"
import { withHerd } from "./herds.ts"
import { gc } from "./measure.ts"
import type { Bench, Contestant, Race } from "./Race.ts"

type Herd = Parameters<Parameters<typeof withHerd>[0]>[0]

/** The longest time between two turns of the event loop while `work` goes on, in milliseconds. */
const longestGap = async (work: () => Promise<unknown>): Promise<number> => {
  let last = performance.now()
  let longest = 0
  const look = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }
  const beat = setInterval(look, 1)
  await work()
  look()
  clearInterval(beat)
  return longest
}

const measured =
  (
    prepare: (herd: Herd) => Effect.Effect<unknown, unknown>,
    work: (herd: Herd) => Effect.Effect<unknown, unknown>
  ): Contestant =>
  () =>
    withHerd(async (herd) => {
      await Effect.runPromise(prepare(herd))
      await gc()
      return { "": await longestGap(() => Effect.runPromise(work(herd))) }
    })

const race = (name: string, ours: Contestant, note: string): Race => ({
  name: `turns/${name}`,
  units: { "": "ms" },
  ours,
  peers: {},
  note
})

export const turns: Bench = {
  name: "turns",
  about: "longest time without a turn of the event loop",
  races: (size) => {
    const n = size === "quick" ? 1_000 : 100_000
    const many = size === "quick" ? 1_000 : 1_000_000
    const queue = (herd: Herd) =>
      Effect.andThen(herd.pause, Effect.replicateEffect(herd.submit(Effect.never), n, { discard: true }))
    const idle = (herd: Herd) => herd.awaitIdle
    const task = Effect.sync(() => {})
    const tasks = Array.from({ length: many }, () => task)
    const line = (herd: Herd) =>
      Effect.andThen(herd.pause, Effect.replicateEffect(herd.submit(task), n, { discard: true }))
    return [
      race(
        "clear",
        measured(queue, (herd) => herd.clear),
        `${n} queued tasks are cleared.`
      ),
      race(
        "kill",
        measured(queue, (herd) => herd.kill),
        `${n} queued tasks are killed with their herd.`
      ),
      race(
        "submit",
        measured(idle, (herd) => Effect.replicateEffect(herd.submit(task), many, { discard: true })),
        `${many} synchronous tasks, submitted one after the other.`
      ),
      race(
        "runAll",
        measured(idle, (herd) => herd.runAll(tasks)),
        `${many} synchronous tasks, at once.`
      ),
      race(
        "resume",
        measured(line, (herd) => Effect.andThen(herd.resume, herd.awaitIdle)),
        `A line of ${n} synchronous tasks is resumed.`
      )
    ]
  }
}

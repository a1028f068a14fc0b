// How long a herd with very much to do keeps the event loop: the longest gap between two beats of a 1 ms timer.
import { Effect } from "effect"
import { withHerd } from "./herds.ts"
import { gc } from "./measure.ts"
import type { Bench, Contestant, Race, Sample } from "./Race.ts"

type Herd = Parameters<Parameters<typeof withHerd>[0]>[0]

/** CPU time of this thread, in milliseconds. */
const cpuMillis = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1_000
}

/**
 * The longest time between two turns of the event loop while `work` goes on, in milliseconds, and the CPU time that the thread
 * used in such a time: where others have the processor meanwhile, the first is theirs.
 */
const longestGap = async (work: () => Promise<unknown>): Promise<Sample> => {
  let last = performance.now()
  let lastCpu = cpuMillis()
  let longest = 0
  let longestCpu = 0
  const look = () => {
    const now = performance.now()
    const cpu = cpuMillis()
    longest = Math.max(longest, now - last)
    longestCpu = Math.max(longestCpu, cpu - lastCpu)
    last = now
    lastCpu = cpu
  }
  const beat = setInterval(look, 1)
  await work()
  look()
  clearInterval(beat)
  return { "": longest, cpu: longestCpu }
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
      return longestGap(() => Effect.runPromise(work(herd)))
    })

const race = (name: string, ours: Contestant, note: string): Race => ({
  name: `turns/${name}`,
  units: { "": "ms", cpu: "ms of CPU" },
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
      Effect.andThen(herd.pause, Effect.replicateEffect(herd.submit(task), many, { discard: true }))
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
        // By a loop: to build a million effects would take a turn of its own.
        measured(idle, (herd) =>
          Effect.gen(function* () {
            for (let i = 0; i < many; i++) yield* herd.submit(task)
          })
        ),
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
        `A line of ${many} synchronous tasks is resumed.`
      )
    ]
  }
}

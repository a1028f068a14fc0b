// Engines of durable jobs: what a job costs, how soon it starts, and what it takes to hear its result.
import { missing } from "@lemmings/servers"
import { setTimeout as sleep } from "node:timers/promises"
import { crew } from "./engines/crew.ts"
import { email, type Engine, type Open } from "./engines/Engine.ts"
import { counter } from "./engines/counter.ts"
import { contender, type EngineName } from "./engines/engines.ts"
import { place } from "./engines/stores.ts"
import { nanos, quantile, timed } from "./measure.ts"
import type { Bench, Contestant, Race, Sample } from "./Race.ts"

const emails = (count: number) => Array.from({ length: count }, (_, n) => email(n))

const open = async (use: Open, where: string, work: (engine: Engine) => Promise<Sample>): Promise<Sample> => {
  const engine = await use(where)
  try {
    return await work(engine)
  } finally {
    await engine.close()
  }
}

/** What a contestant does with its engine: it may open it more than once, in this process or in others. */
type Use = (name: EngineName, where: string) => Promise<Sample>

const contestant =
  (name: EngineName, quick: boolean, use: Use): Contestant =>
  async () => {
    const { leave, where } = await place(contender(name).store, quick)
    try {
      return await use(name, where)
    } finally {
      leave()
    }
  }

/** Enqueues, then works them off. The clock runs from the first start to the last: connecting is not in it. */
const drained = (name: EngineName, where: string, count: number): Promise<Sample> =>
  open(contender(name).open, where, async (engine) => {
    await engine.enqueueAll(emails(count))
    const { begun, spanPerJob } = counter(count)
    await engine.work(({ n }) => begun(n, nanos()))
    return { "": (await spanPerJob) / 1e3 }
  })

const drain =
  (count: number): Use =>
  async (name, where) => {
    await drained(name, where, Math.min(2_000, count))
    return drained(name, where, count)
  }


/** As `drain`, by two other processes. This one enqueues and counts. */
const drainByTwo =
  (count: number): Use =>
  (name, where) =>
    open(contender(name).open, where, async (engine) => {
      const processes = crew(2, name, where)
      try {
        let millis = NaN
        for (const size of [Math.min(2_000, count), count]) {
          await engine.enqueueAll(emails(size))
          millis = await processes.drain(size)
        }
        return { "": millis * 1e3 }
      } finally {
        processes.end()
      }
    })

/** Enqueues in bulk; nobody works. */
const enqueue =
  (count: number): Use =>
  (name, where) =>
    open(contender(name).open, where, async (engine) => {
      await engine.enqueueAll(emails(Math.min(2_000, count)))
      const all = emails(count)
      return { "": (await timed(() => engine.enqueueAll(all))) / count / 1e3 }
    })

/** The times of single jobs. An engine that takes seconds for each of them is not asked for all. */
const oneByOne = async (count: number, once: (n: number) => Promise<number>): Promise<Sample> => {
  const warm = Math.ceil(count / 10)
  const times: Array<number> = []
  const start = nanos()
  for (let n = 0; n < warm + count && (times.length < 20 || nanos() - start < 8e9); n++) {
    const time = await once(n)
    if (n >= warm) times.push(time / 1e6)
    // Idle again: its workers have gone back to waiting.
    await sleep(10)
  }
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

/** From the call that enqueues to the start of the handler. */
const idle =
  (count: number): Use =>
  (name, where) =>
    open(contender(name).open, where, async (engine) => {
      let begun = (_: number) => {}
      await engine.work(() => begun(nanos()))
      return oneByOne(count, async (n) => {
        const started = new Promise<number>((resolve) => {
          begun = resolve
        })
        const start = nanos()
        const [at] = await Promise.all([started, engine.enqueue(email(n))])
        return at - start
      })
    })

/** From the call that enqueues to the result in the caller's hands. */
const execute =
  (count: number): Use =>
  (name, where) =>
    open(contender(name).open, where, async (engine) => {
      await engine.work(() => {})
      return oneByOne(count, (n) => timed(async () => engine.execute?.(email(n))))
    })

export const uses = { drain, drainByTwo, enqueue, idle, execute, contestant }

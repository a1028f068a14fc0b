// Pools of two threads: what it costs to send work to them, and how much of the threads' time is work.
import { ThreadHerd } from "@lemmings/threads"
import { Effect, References } from "effect"
import { fileURLToPath } from "node:url"
import { setTimeout as sleep } from "node:timers/promises"
import { type Transferable, Worker } from "node:worker_threads"
import { Piscina } from "piscina"
import { FixedThreadPool } from "poolifier"
import { Tinypool } from "tinypool"
import workerpool from "workerpool"
import { type Effort, perTask, timed } from "./measure.ts"
import type { Bench, Contestant, Race, Size } from "./Race.ts"
import { Do } from "./workers/task.ts"
import type { Work } from "./workers/work.ts"

const size = 2
const module = (name: string) => new URL(`./workers/${name}.worker.ts`, import.meta.url)

/** A pool: runs work, and ends. */
interface Pool {
  readonly run: (work: Work, transfer?: ReadonlyArray<ArrayBuffer>) => Promise<unknown>
  /** All at once, if there is a way that the library's users would take. */
  readonly all?: (works: ReadonlyArray<Work>) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

class Threads extends ThreadHerd.Service<Threads>()("bench/Threads", {
  tasks: [Do],
  worker: module("ours")
}) {}

const ours = async (): Promise<Pool> => {
  let close = () => {}
  const closed = new Promise<void>((resolve) => {
    close = resolve
  })
  return new Promise((resolve, reject) => {
    let ended: Promise<void> | undefined
    const program = Effect.gen(function* () {
      const herd = yield* Threads
      resolve({
        run: (work, transfer) => Effect.runPromise(herd.run(Do(work, { transfer }))),
        all: (works) => Effect.runPromise(herd.runAll(works.map((work) => Do(work)))),
        close: () => {
          close()
          return ended ?? closed
        }
      })
      yield* Effect.promise(() => closed)
    }).pipe(
      Effect.provide(Threads.layer({ workers: { min: size, max: size } })),
      Effect.provideService(References.MinimumLogLevel, "Warn")
    )
    ended = Effect.runPromise(program)
    ended.catch(reject)
  })
}

/** Two threads without a pool, by turns: as little as it can cost. */
const raw = (): Promise<Pool> => {
  const pending = new Map<number, (value: unknown) => void>()
  const workers = Array.from({ length: size }, () => {
    const worker = new Worker(module("raw"))
    worker.on("message", ([id, result]: [number, unknown]) => {
      pending.get(id)?.(result)
      pending.delete(id)
    })
    return worker
  })
  let next = 0
  return Promise.resolve({
    run: (work, transfer = []) =>
      new Promise((resolve) => {
        const id = next++
        pending.set(id, resolve)
        workers[id % size]?.postMessage([id, work], transfer as Array<Transferable>)
      }),
    close: () => Promise.all(workers.map((worker) => worker.terminate()))
  })
}

const piscina = (concurrentTasksPerWorker: number) => (): Promise<Pool> => {
  const pool = new Piscina({
    filename: fileURLToPath(module("piscina")),
    minThreads: size,
    maxThreads: size,
    concurrentTasksPerWorker
  })
  return Promise.resolve({
    run: (work, transfer) => pool.run(work, transfer === undefined ? {} : { transferList: [...transfer] }),
    close: () => pool.destroy()
  })
}

const tinypool = (): Promise<Pool> => {
  const pool = new Tinypool({ filename: module("tinypool").href, minThreads: size, maxThreads: size })
  return Promise.resolve({
    run: (work, transfer) => pool.run(work, transfer === undefined ? {} : { transferList: [...transfer] }),
    close: () => pool.destroy()
  })
}

const poolifier = (): Promise<Pool> => {
  const pool = new FixedThreadPool<Work>(size, fileURLToPath(module("poolifier")))
  return Promise.resolve({
    // With a list of buffers to move it never answers.
    run: (work) => pool.execute(work),
    // Now and then its end never comes.
    close: () => Promise.race([pool.destroy(), sleep(1000)])
  })
}

const pooled = (): Promise<Pool> => {
  const pool = workerpool.pool(fileURLToPath(module("workerpool")), {
    minWorkers: size,
    maxWorkers: size,
    workerType: "thread"
  })
  return Promise.resolve({
    run: async (work, transfer) =>
      pool.exec("work", [work], transfer === undefined ? {} : { transfer: [...transfer] }),
    close: async () => pool.terminate()
  })
}

const pools = {
  raw,
  piscina: piscina(1),
  "piscina, 16 per thread": piscina(16),
  tinypool,
  poolifier,
  workerpool: pooled
}

type Use = (pool: Pool) => Promise<number>

const contestant =
  (make: () => Promise<Pool>, use: Use): Contestant =>
  async () => {
    // Some libraries do not keep the process alive for the end of their threads.
    const alive = setInterval(() => {}, 1000)
    const pool = await make()
    try {
      // All threads there, before the clock starts.
      await Promise.all(Array.from({ length: 64 }, () => pool.run({ megabytes: 0 })))
      return { "": await use(pool) }
    } finally {
      await pool.close()
      clearInterval(alive)
    }
  }

const race = (name: string, use: Use, more: Partial<Race> = {}): Race => ({
  name: `threads/${name}`,
  units: { "": "ns/task" },
  ours: contestant(ours, use),
  peers: Object.fromEntries(Object.entries(pools).map(([who, make]) => [who, contestant(make, use)])),
  ...more
})

/** Enough for short tasks on threads, all at once and one by one. */
const efforts: Record<Size, { readonly atOnce: Effort; readonly oneByOne: Effort }> = {
  quick: { atOnce: { warmMillis: 0, runs: 3 }, oneByOne: { warmMillis: 0, runs: 3, warmth: "kept" } },
  usual: {
    atOnce: { warmMillis: 400, runs: 3, mostMillis: 250 },
    oneByOne: { warmMillis: 300, runs: 15, mostMillis: 30, warmth: "kept" }
  },
  long: { atOnce: { warmMillis: 1500, runs: 3 }, oneByOne: { warmMillis: 1000, runs: 25, warmth: "kept" } }
}

const atOnce =
  (size: Size, count: number, make: (i: number) => Work): Use =>
  (pool) =>
    // Long tasks need no warmth.
    perTask(count, { ...efforts[size].atOnce, ...(count < 400 ? { warmMillis: 0 } : {}) }, (n) => {
      const works = Array.from({ length: n }, (_, i) => make(i))
      return () => Promise.all(works.map((work) => pool.run(work)))
    })

export const threads: Bench = {
  name: "threads",
  about: "work on two threads: messages, hashing, large payloads, a cold start",
  races: (size) => {
    const quick = size === "quick"
    const many = quick ? 200 : 50_000
    const some = quick ? 20 : 2_000
    const few = quick ? 2 : 400
    const bytes = quick ? 1000 : 1 << 20
    const echo = (payload: unknown): Work => ({ megabytes: 0, payload })
    const together: Use = (pool) =>
      perTask(many, efforts[size].atOnce, (n) => {
        const works = Array.from({ length: n }, (_, i) => echo(i))
        return () => pool.all?.(works) ?? Promise.all(works.map((work) => pool.run(work)))
      })
    // Short runs, and many: what a thread takes to wake up changes from one tenth of a second to the next.
    const oneByOne =
      (count: number, run: (pool: Pool) => Promise<unknown>): Use =>
      (pool) =>
        perTask(count, efforts[size].oneByOne, (n) => async () => {
          for (let i = 0; i < n; i++) await run(pool)
        })
    const cold =
      (make: () => Promise<Pool>): Contestant =>
      async () => {
        let pool: Pool | undefined
        const nanos = await timed(async () => {
          pool = await make()
          await Promise.all([pool.run({ megabytes: 1 }), pool.run({ megabytes: 1 })])
        })
        await pool?.close()
        return { "": nanos / 1e6 }
      }
    return [
      race("echo/atOnce", atOnce(size, many, echo), {
        note: "Every contestant's `run`, called for all tasks in one go. Raw: postMessage, many on their way, no pool."
      }),
      race("echo/runAll", together, { note: "As above; ours is `runAll`." }),
      race(
        "echo/oneByOne",
        oneByOne(some, (pool) => pool.run(echo(1)))
      ),
      race(
        "hash/1ms",
        atOnce(size, quick ? 4 : 1000, () => ({ megabytes: 1 })),
        {
          note: "1 MB hashed with SHA-256, about a millisecond."
        }
      ),
      race(
        "hash/50ms",
        atOnce(size, quick ? 2 : 20, () => ({ megabytes: quick ? 1 : 50 })),
        { note: "50 MB." }
      ),
      race(
        "payload/cloned",
        oneByOne(few, (pool) => pool.run(echo(new Uint8Array(bytes)))),
        {
          note: "A megabyte there and back, one at a time, copied."
        }
      ),
      race(
        "payload/transferred",
        (pool) => {
          let buffer = new ArrayBuffer(bytes)
          return oneByOne(quick ? 2 : 2000, async ({ run }) => {
            buffer = (await run(echo(buffer), [buffer])) as ArrayBuffer
          })(pool)
        },
        { note: "The same megabyte there and back, one at a time, moved where the library can." }
      ),
      {
        name: "threads/cold",
        units: { "": "ms" },
        ours: cold(ours),
        peers: Object.fromEntries(Object.entries(pools).map(([who, make]) => [who, cold(make)])),
        note: "From nothing to the first two results of two threads."
      }
    ]
  }
}

// Engines of durable jobs: what a job costs, how soon it starts, and what it takes to hear its result.
import { missing } from "@lemmings/servers"
import { setTimeout as sleep } from "node:timers/promises"
import { crew } from "./engines/crew.ts"
import { bulk, concurrency, email, type Engine, type Open } from "./engines/Engine.ts"
import { counter } from "./engines/counter.ts"
import { contender, type EngineName } from "./engines/engines.ts"
import { place, settle } from "./engines/stores.ts"
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
const drained = (name: EngineName, where: string, count: number, settled: boolean): Promise<Sample> =>
  open(contender(name).open, where, async (engine) => {
    await engine.enqueueAll(emails(count))
    if (settled) await settle(contender(name).store, where)
    const { begun, spanPerJob } = counter(count)
    await engine.work(({ n }) => begun(n, nanos()))
    return { "": (await spanPerJob) / 1e3 }
  })

/** How many jobs warm an engine up: none where the sizes only check the benchmark. */
const warmth = (count: number): number => (count < 1_000 ? 0 : Math.min(2_000, count / 4))

const drain =
  (count: number, settled = true): Use =>
  async (name, where) => {
    if (warmth(count) > 0) await drained(name, where, warmth(count), settled)
    return drained(name, where, count, settled)
  }

/** As `drain`, by two other processes. This one enqueues and counts. */
const drainByTwo =
  (count: number): Use =>
  (name, where) =>
    open(contender(name).open, where, async (engine) => {
      const processes = crew(2, name, where)
      try {
        let millis = NaN
        for (const size of [warmth(count), count].filter((jobs) => jobs > 0)) {
          await engine.enqueueAll(emails(size))
          await settle(contender(name).store, where)
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
      await engine.enqueueAll(emails(warmth(count)))
      const all = emails(count)
      return { "": (await timed(() => engine.enqueueAll(all))) / count / 1e3 }
    })

/** The times of single jobs. An engine that takes seconds for each of them is not asked for all. */
const oneByOne = async (count: number, once: (n: number) => Promise<number>): Promise<Sample> => {
  const warm = Math.ceil(count / 10)
  const times: Array<number> = []
  const start = nanos()
  for (let n = 0; n < warm + count && (times.length < Math.min(20, count) || nanos() - start < 8e9); n++) {
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
      let begun: (at: number) => void = () => {}
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

const servers = { postgres: missing.postgres, redis: missing.redis, folder: false, memory: false }

/** Those whose server is installed. */
const present = (names: ReadonlyArray<EngineName>) => names.filter((name) => !servers[contender(name).store])

/** A difference in words. */
const moreOrLess = (difference: number, digits: number, unit: string) =>
  `${Math.abs(difference).toFixed(digits)} ${unit} ${difference < 0 ? "less" : "more"}`

/** How much longer ours takes for a job than others, most of all pg-boss with nothing around it. */
const overhead =
  (...others: ReadonlyArray<EngineName>): NonNullable<Race["verdict"]> =>
  (ours, peers) => {
    const versus = others.map((other) => {
      const ratio = (ours[""] ?? NaN) / (peers[other]?.[""] ?? NaN)
      return `${moreOrLess(100 * (ratio - 1), 1, "%")} time a job than ${other}`
    })
    return `Ours takes ${versus.join(", ")}.`
  }

const later =
  (bare: EngineName): NonNullable<Race["verdict"]> =>
  (ours, peers) => {
    const difference = (ours["p50"] ?? NaN) - (peers[bare]?.["p50"] ?? NaN)
    return `Ours takes ${moreOrLess(difference, 2, "ms")} than ${bare}, by the median.`
  }

const bare: EngineName = "pg-boss, pull"
const bareMany: EngineName = "pg-boss, pull 2 × 256"
const own: EngineName = "pg-boss, work()"
const bareEmbedded: EngineName = "pg-boss on PGlite, pull"
const bareManyEmbedded: EngineName = "pg-boss on PGlite, pull 2 × 256"
const ownEmbedded: EngineName = "pg-boss on PGlite, work()"

const atMost = `At most ${concurrency} jobs at once in a process.`
const durability =
  "PostgreSQL has what is committed on the disk, Redis what is a second old (appendfsync everysec), PGlite in the operating system."
const embeddedDurability =
  "PGlite in a folder leaves what is committed to the operating system; in memory nothing outlives the process."

export const durable: Bench = {
  name: "durable",
  about:
    "jobs that survive a crash: ours beside pg-boss, BullMQ, graphile-worker and Effect's PersistedQueue",
  races: (size) => {
    const quick = size === "quick"
    const many = { quick: 100, usual: 2_000, long: 10_000 }[size]
    const some = { quick: 3, usual: 10, long: 200 }[size]
    /** No race where the server of the first, ours, is not installed. */
    const race = (
      name: string,
      use: Use,
      [ours, ...peers]: readonly [EngineName, ...Array<EngineName>],
      more: Partial<Race>
    ): ReadonlyArray<Race> =>
      present([ours]).map((first) => ({
        name: `durable/${name}`,
        units: { "": "µs/job" },
        ours: contestant(first, quick, use),
        peers: Object.fromEntries(present(peers).map((peer) => [peer, contestant(peer, quick, use)])),
        ...more
      }))
    const others: ReadonlyArray<EngineName> = [
      "graphile-worker",
      "graphile-worker, local queue",
      "Effect PersistedQueue",
      "BullMQ on Redis"
    ]
    const drainers = ["ours", bare, bareMany, own, ...others, "SQL by hand", "SQL by hand, 256"] as const
    const times = { p50: "ms", p99: "ms" }
    return [
      ...race("drain", drain(many), drainers, {
        note: `${many} waiting jobs that do nothing, worked off by one process. ${atMost} Ours and the local queue claim jobs ahead; 256 says how many others take at once instead of ${concurrency}, and 2 × in how many loops. ${durability}`,
        verdict: overhead(bare, bareMany, "SQL by hand, 256")
      }),
      ...race(
        "drain/embedded",
        drain(many),
        ["ours, embedded", bareEmbedded, bareManyEmbedded, ownEmbedded, "ours, in memory"],
        {
          note: `As drain, without a server. ${embeddedDurability}`,
          verdict: overhead(bareEmbedded, bareManyEmbedded)
        }
      ),
      ...race(
        "enqueue",
        enqueue(many),
        ["ours", bare, "graphile-worker", "Effect PersistedQueue", "BullMQ on Redis", "SQL by hand"],
        {
          note: `In bulk, ${bulk} at a time; PersistedQueue has no bulk call: ${concurrency} at a time. ${durability}`,
          verdict: overhead(bare)
        }
      ),
      ...race("enqueue/embedded", enqueue(many), ["ours, embedded", bareEmbedded, "ours, in memory"], {
        note: `In bulk, ${bulk} at a time. ${embeddedDurability}`,
        verdict: overhead(bareEmbedded)
      }),
      ...race(
        "idle",
        idle(some),
        ["ours", own, "graphile-worker", "Effect PersistedQueue", "BullMQ on Redis"],
        {
          units: times,
          note: `From the call that enqueues one job to its start, nothing else to do, in one process; PersistedQueue would not see the jobs of another for up to a second. ${durability}`,
          verdict: later(own)
        }
      ),
      ...race("idle/embedded", idle(some), ["ours, embedded", ownEmbedded, "ours, in memory"], {
        units: times,
        note: `As idle, without a server; pg-boss is told of each job in its own process. ${embeddedDurability}`,
        verdict: later(ownEmbedded)
      }),
      ...race("execute", execute(some), ["ours", "BullMQ on Redis"], {
        units: times,
        note: `From the call to the result of the job: execute, and BullMQ's waitUntilFinished. ${durability}`
      }),
      ...race("execute/embedded", execute(some), ["ours, embedded", "ours, in memory"], {
        units: times,
        note: `As execute, without a server. ${embeddedDurability}`
      }),
      ...race("drain/new", drain(many, false), drainers, {
        note: `As drain, right after the jobs were enqueued, when PostgreSQL has no statistics of them yet. ${durability}`,
        verdict: overhead(bare, bareMany, "SQL by hand, 256")
      }),
      ...race("drain/two", drainByTwo(2 * many), drainers, {
        note: `${2 * many} waiting jobs, worked off by two processes. ${atMost} ${durability}`,
        verdict: overhead(bare, bareMany, "SQL by hand, 256")
      })
    ]
  }
}

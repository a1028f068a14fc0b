// What a pool of resources costs, and whether it makes more of them than it needs.
import { Effect, Pool } from "effect"
import { createPool } from "generic-pool"
import { setTimeout as sleep } from "node:timers/promises"
import { Client, Pool as PgPool } from "pg"
import { Pool as Tarn } from "tarn"
import { place } from "./engines/stores.ts"
import { effectCallers, type Load, promiseCallers, withEffectPool } from "./callers.ts"
import { withResourcePool, workers } from "./herds.ts"
import { efforts, timed } from "./measure.ts"
import type { Bench, Race, Sample } from "./Race.ts"

/** Borrows a resource for one piece of work. */
type Use = (work: () => unknown) => Promise<unknown>

/** A pool of tarn's has no way to borrow for one piece of work: this is what its callers write. */
const tarnUse =
  (pool: Tarn<object>): Use =>
  async (work) => {
    const resource = await pool.acquire().promise
    try {
      return await work()
    } finally {
      pool.release(resource)
    }
  }

interface Spike {
  readonly callers: number
  readonly createMillis: number
  readonly workMillis: number
  readonly min: number
  readonly max: number
}

/** A pool with its first resources there, and what all callers do with it at once. */
interface Ready {
  readonly everybody: () => Promise<unknown>
}

const spike = (load: Spike): Race => {
  const { callers, createMillis, max, min, workMillis } = load
  const work = () => sleep(workMillis)
  /** Counts the resources that `pool` makes, the ones included that come when nobody needs them any more. */
  const measure = async (
    pool: (create: () => Promise<object>, start: (ready: Ready) => Promise<Sample>) => Promise<Sample>
  ): Promise<Sample> => {
    let made = 0
    const create = async () => {
      await sleep(createMillis)
      made++
      return {}
    }
    return pool(create, async ({ everybody }) => {
      const wait = (await timed(everybody)) / 1e6
      await sleep(2 * createMillis)
      return { "": made, wait }
    })
  }
  const promises = (use: Use): Ready => ({
    everybody: () => Promise.all(Array.from({ length: callers }, () => use(work)))
  })
  /** Brings the first resources of a pool that does not do so itself: all are borrowed at one time. */
  const fill = async (use: Use) => {
    let borrowed = 0
    let all = () => {}
    const full = new Promise<void>((resolve) => (all = resolve))
    const hold = () => {
      if (++borrowed === min) all()
      return full
    }
    await Promise.all(Array.from({ length: min }, () => use(hold)))
  }
  const everyFiber = <E>(use: (work: Effect.Effect<void>) => Effect.Effect<void, E>) => {
    const program = Effect.forEach(Array.from({ length: callers }), () => use(Effect.promise(work)), {
      concurrency: "unbounded",
      discard: true
    })
    return () => Effect.runPromise(program)
  }
  return {
    name: "pool/spike",
    units: { "": "resources", wait: "ms" },
    repetitions: 3,
    ours: () =>
      measure((create, start) =>
        withResourcePool({ create: Effect.promise(create), size: { min, max } }, async (pool) => {
          while ((await Effect.runPromise(pool.stats)).idle < min) await sleep(createMillis / 10)
          return start({ everybody: everyFiber((work) => pool.use(() => work)) })
        })
      ),
    peers: {
      tarn: () =>
        measure(async (create, start) => {
          const pool = new Tarn<object>({ create, destroy: () => undefined, min, max })
          await fill(tarnUse(pool))
          return start(promises(tarnUse(pool)))
        }),
      "generic-pool": () =>
        measure(async (create, start) => {
          const pool = createPool({ create, destroy: async () => {} }, { min, max })
          await pool.ready()
          return start(promises((work) => pool.use(work)))
        }),
      "Effect.Pool": () =>
        measure((create, start) =>
          Pool.makeWithTTL({ acquire: Effect.promise(create), min, max, timeToLive: "1 minute" }).pipe(
            Effect.flatMap((pool) =>
              Effect.promise(async () => {
                await fill((work) =>
                  Effect.runPromise(Pool.use(pool, () => Effect.promise(async () => work())))
                )
                return start({ everybody: everyFiber((work) => Pool.use(pool, () => work)) })
              })
            ),
            Effect.scoped,
            Effect.runPromise
          )
        )
    },
    note:
      `${callers} callers at once, ${workMillis} ms of work each; a resource takes ${createMillis} ms to make; ` +
      `${min} are there, ${max} may be. The wait is until all are served.`
  }
}

interface Closed {
  readonly callers: number
  readonly queries: number
  readonly min: number
  readonly max: number
}

/** Callers in a loop, on connections to a real PostgreSQL: how long all their queries take, and how long each. */
const closed = ({ callers, max, min, queries }: Closed, quick: boolean): Race => {
  const text = "select pg_sleep(0.02)"
  const measure = async (query: () => Promise<unknown>): Promise<Sample> => {
    const took: Array<number> = []
    let left = queries
    const caller = async () => {
      while (left-- > 0) took.push((await timed(query)) / 1e6)
    }
    const total = (await timed(() => Promise.all(Array.from({ length: callers }, caller)))) / 1e6
    took.sort((a, b) => a - b)
    return {
      "": total,
      p50: took[took.length >> 1] ?? 0,
      p99: took[Math.floor(took.length * 0.99)] ?? 0
    }
  }
  const connect = async (connectionString: string) => {
    const client = new Client({ connectionString })
    await client.connect()
    return client
  }
  const ours = (scaling?: "fixed") => async () => {
    const { where } = await place("postgres", quick)
    return withResourcePool(
      {
        create: Effect.promise(() => connect(where)),
        onDestroy: (client) => Effect.promise(() => client.end()),
        size: { min, max },
        scaling
      },
      (pool) => {
        const query = pool.use((client) => Effect.promise(() => client.query(text)))
        return measure(() => Effect.runPromise(query))
      }
    )
  }
  return {
    name: "pool/closed",
    units: { "": "ms", p50: "ms", p99: "ms" },
    ours: ours(),
    peers: {
      "lemmings, fixed": ours("fixed"),
      "pg.Pool": async () => {
        const { where } = await place("postgres", quick)
        const pool = new PgPool({ connectionString: where, min, max })
        try {
          return await measure(() => pool.query(text))
        } finally {
          await pool.end()
        }
      }
    },
    note: `${callers} callers in a loop, ${queries} queries of 20 ms on a real PostgreSQL, ${min} to ${max} connections.`
  }
}

const use = (load: Load, name: string, note: string): Race => {
  const create = async () => ({})
  return {
    name,
    units: { "": "ns/use" },
    ours: () =>
      withResourcePool({ create: Effect.sync(() => ({})), size: workers }, (pool) =>
        effectCallers(load, (task) => pool.use(() => task))()
      ),
    peers: {
      tarn: promiseCallers(load, () =>
        tarnUse(new Tarn<object>({ create, destroy: () => undefined, min: workers, max: workers }))
      ),
      "generic-pool": promiseCallers(load, () => {
        const pool = createPool({ create, destroy: async () => {} }, { min: workers, max: workers })
        return (work) => pool.use(work)
      }),
      "Effect.Pool": () =>
        withEffectPool((pool) => effectCallers(load, (task) => Pool.use(pool, () => task))())
    },
    note: `${note} ${workers} resources.`
  }
}

export const pool: Bench = {
  name: "pool",
  about: "resources that a spike makes, and time to borrow one and give it back",
  races: (size) => {
    const quick = size === "quick"
    const n = quick ? 1_000 : 100_000
    const effort = efforts[size]
    const load = (callers: number, n: number): Load => ({ n, callers, body: "promise", effort })
    const atOnce = quick ? 1_000 : 10_000
    return [
      spike({ callers: 50, createMillis: quick ? 30 : 150, workMillis: 2, min: 5, max: 50 }),
      closed({ callers: 60, queries: quick ? 120 : 600, min: 2, max: 10 }, quick),
      use(load(64, n), "pool/use/64", `64 callers, one use after the other, ${n} in all.`),
      use(load(1, n), "pool/use/1", `One caller, one use after the other, ${n} in all.`),
      use(load(atOnce, atOnce), "pool/contended", `${atOnce} callers at once, one use each.`)
    ]
  }
}

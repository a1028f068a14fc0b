// What flow control costs, and what it brings: by key, at a rate, under more work than can be done.
import Bottleneck from "bottleneck"
import { bulkhead } from "cockatiel"
import { Effect, Exit, Layer, PartitionedSemaphore } from "effect"
import { RateLimiter } from "effect/persistence"
import { Herd } from "lemmings"
import PQueue from "p-queue"
import { build, type Thunk } from "./callers.ts"
import { workers } from "./herds.ts"
import { bytesInUse, efforts, nanos, perTask, quantile, timed } from "./measure.ts"
import type { Bench, Contestant, Race, Sample } from "./Race.ts"

class Flow extends Herd.Service<Flow>()("bench/Flow", { sheds: true }) {}
class Refusing extends Herd.Service<Refusing>()("bench/Refusing", { limits: "reject" }) {}

type Options = Herd.CommonOptions<"suspend">

const withFlow = <A>(options: Options, use: (herd: Flow["Service"]) => Promise<A>): Promise<A> =>
  Flow.pipe(
    Effect.flatMap((herd) => Effect.promise(() => use(herd))),
    Effect.provide(Flow.layer({ workers: { min: workers, max: workers }, ...options })),
    Effect.runPromise
  )

const names = build(10_000, (i) => `tenant-${i}`)
const keyOf = (i: number, keys: number) => (keys === 0 ? undefined : names[i % keys])

const promiseTask = (i: number) => Effect.promise(() => Promise.resolve(i))

/** Callers at once, one task each, their keys in turn. */
const atOnce =
  (n: number, keys: number, quick: boolean, options: Options): Contestant =>
  () =>
    withFlow(options, async (herd) => {
      const ns = await perTask(n, efforts[quick ? "quick" : "usual"], (count) => {
        const all = Effect.forEach(
          build(count, (i) => [promiseTask(i), { key: keyOf(i, keys) }] as const),
          ([task, terms]) => herd.run(task, terms),
          { concurrency: "unbounded", discard: true }
        )
        return () => Effect.runPromise(all)
      })
      return { "": ns }
    })

const promises =
  (n: number, quick: boolean, open: () => (thunk: Thunk, i: number) => Promise<unknown>): Contestant =>
  async () => {
    const add = open()
    const ns = await perTask(n, efforts[quick ? "quick" : "usual"], (count) => {
      const thunks = build(count, (i) => () => Promise.resolve(i))
      return () => Promise.all(thunks.map(add))
    })
    return { "": ns }
  }

const unit = { "": "ns/task" }
const quickly = "100,000 callers at once, one task each, 16 workers, promise bodies."

const fairRace = (keys: number, n: number, quick: boolean): Race => ({
  name: `flow/fair/${keys}`,
  units: unit,
  ours: atOnce(n, keys, quick, { queue: { order: "fair" } }),
  peers: {
    "without keys": atOnce(n, 0, quick, {}),
    "Effect.PartitionedSemaphore": partitioned(Math.min(n, 2_000), keys, quick)
  },
  note: `${quickly} Keys in turn: ${keys}. PartitionedSemaphore has 16 permits for all keys, in turn, and 2,000 callers.`
})

function partitioned(n: number, keys: number, quick: boolean): Contestant {
  return async () => {
    const semaphore = PartitionedSemaphore.makeUnsafe<string>({ permits: workers })
    const ns = await perTask(n, efforts[quick ? "quick" : "usual"], (count) => {
      const all = Effect.forEach(
        build(count, (i) => [promiseTask(i), keyOf(i, keys) ?? ""] as const),
        ([task, key]) => PartitionedSemaphore.withPermits(semaphore, key, 1)(task),
        { concurrency: "unbounded", discard: true }
      )
      return () => Effect.runPromise(all)
    })
    return { "": ns }
  }
}

const bottlenecks = (n: number, keys: number, quick: boolean): Contestant =>
  promises(Math.min(n, 5_000), quick, () => {
    const group = new Bottleneck.Group({ maxConcurrent: 4 })
    return (thunk, i) => group.key(keyOf(i, keys) ?? "").schedule(async () => thunk())
  })

const caps = (n: number, quick: boolean): Race => ({
  name: "flow/caps/100",
  units: unit,
  ours: atOnce(n, 100, quick, { limits: { perKey: { concurrency: 4 } } }),
  peers: {
    "without limits": atOnce(n, 0, quick, {}),
    "Bottleneck.Group": bottlenecks(n, 100, quick)
  },
  note: `${quickly} 100 keys, four at a time of each. Bottleneck has a limiter for each key and 5,000 callers.`
})

// A rate that is never reached: what counts is the cost of asking.
const rate = { limit: 1e9, per: "1 second" } as const

const rates = (n: number, quick: boolean): Race => ({
  name: "flow/rate",
  units: unit,
  ours: atOnce(n, 100, quick, { limits: { rate, perKey: { concurrency: 1_000, rate } } }),
  peers: {
    "without limits": atOnce(n, 0, quick, {}),
    "p-queue, interval": promises(n, quick, () => {
      const queue = new PQueue({ concurrency: workers, interval: 1_000, intervalCap: 1e9 })
      return (thunk) => queue.add(thunk)
    }),
    "Effect.RateLimiter": async () => {
      const ns = await perTask(Math.min(n, 20_000), efforts[quick ? "quick" : "usual"], (count) => {
        const all = Effect.gen(function* () {
          const limiter = yield* RateLimiter.RateLimiter
          yield* Effect.forEach(
            build(count, (i) => keyOf(i, 100) ?? ""),
            (key) =>
              limiter.consume({ key, limit: 1e9, window: "1 second", algorithm: "token-bucket", tokens: 1 }),
            { concurrency: "unbounded", discard: true }
          )
        }).pipe(
          Effect.provide(RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))),
          Effect.orDie
        )
        return () => Effect.runPromise(all)
      })
      return { "": ns }
    }
  },
  note: `${quickly} A rate of the herd and of each of 100 keys, and a cap, none of them reached. RateLimiter only counts, and runs nothing.`
})

const refuse = (n: number, quick: boolean): Race => ({
  name: "flow/refuse",
  units: unit,
  ours: () =>
    Refusing.pipe(
      Effect.flatMap((herd) =>
        Effect.promise(async () => {
          // One task holds the only seat.
          const holder = await Effect.runPromise(herd.submit(Effect.never, { key: "a" }))
          const task = herd.run(Effect.void, { key: "a" })
          const ns = await perTask(n, efforts[quick ? "quick" : "usual"], (count) => {
            const all = Effect.gen(function* () {
              for (let left = count; left > 0; left--) yield* Effect.exit(task)
            })
            return () => Effect.runPromise(all)
          })
          await Effect.runPromise(holder.interrupt)
          return { "": ns }
        })
      ),
      Effect.provide(
        Refusing.layer({ workers: { min: workers, max: workers }, limits: { perKey: { concurrency: 1 } } })
      ),
      Effect.runPromise
    ),
  peers: {
    "cockatiel bulkhead": async () => {
      const policy = bulkhead(1, 0)
      let release = () => {}
      const held = policy.execute(() => new Promise<void>((resolve) => (release = resolve)))
      const ns = await perTask(n, efforts[quick ? "quick" : "usual"], (count) => async () => {
        for (let left = count; left > 0; left--) await policy.execute(() => {}).catch(() => {})
      })
      release()
      await held
      return { "": ns }
    }
  },
  note: "One caller, whose tasks are refused one after the other because the limit of their key is reached.",
  verdict: ({ "": ns = NaN }) => `${(1e9 / ns / 1e6).toFixed(2)} million refusals a second.`
})

const backlog = (n: number): Race => ({
  name: `flow/backlog/${n}`,
  units: { "": "ns/task", bytes: "bytes/task" },
  repetitions: 3,
  ours: () => waitingCost(n, { queue: { order: "fair" } }, 10_000),
  peers: { "without keys": () => waitingCost(n, {}, 0) },
  note: `${n} waiting tasks in 10,000 keys: to enqueue and to drain one, and the memory of one.`
})

const waitingCost = (n: number, options: Options, keys: number): Promise<Sample> =>
  withFlow(options, async (herd) => {
    const task = Effect.void
    await Effect.runPromise(herd.pause)
    const before = await bytesInUse()
    const enqueue = await timed(() =>
      Effect.runPromise(
        Effect.gen(function* () {
          for (let i = 0; i < n; i++) yield* herd.submit(task, { key: keyOf(i, keys) })
        })
      )
    )
    const bytes = (await bytesInUse()) - before
    const drain = await timed(() => Effect.runPromise(Effect.andThen(herd.resume, herd.awaitIdle)))
    return { "": (enqueue + drain) / n, bytes: bytes / n }
  })

const idle = (keys: number): Race => ({
  name: "flow/idle",
  units: { bytes: "bytes/key" },
  repetitions: 3,
  ours: () =>
    withFlow({ queue: { order: "fair" }, limits: { perKey: { concurrency: 4 } } }, async (herd) => {
      const round = Effect.gen(function* () {
        for (let i = 0; i < keys; i++) yield* herd.run(Effect.void, { key: `key-${i}` })
      })
      await Effect.runPromise(herd.run(Effect.void, { key: "first" }))
      const before = await bytesInUse()
      await Effect.runPromise(round)
      await Effect.runPromise(herd.awaitIdle)
      return { bytes: Math.max(0, (await bytesInUse()) - before) / keys }
    }),
  peers: {
    "Effect.RateLimiter": () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.RateLimiter
        const before = yield* Effect.promise(bytesInUse)
        for (let i = 0; i < keys / 10; i++)
          yield* limiter.consume({
            key: `key-${i}`,
            limit: 10,
            window: 1,
            algorithm: "token-bucket",
            tokens: 1
          })
        return { bytes: ((yield* Effect.promise(bytesInUse)) - before) / (keys / 10) }
      }).pipe(
        Effect.provide(RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))),
        Effect.orDie,
        Effect.runPromise
      )
  },
  note: `Memory that is left of a key, after ${keys} keys have had a task each. RateLimiter with a tenth of them.`
})

// Eight workers, 10 ms of work: 800 a second can be done, 2,400 come, each wanted within 100 ms.
const capacity = 800
const wanted = 100

/** Sends three times what can be done, and counts what ended in time as part of what could have been done. */
const goodput = async (
  millis: number,
  send: (work: () => Promise<void>) => Promise<unknown>
): Promise<Sample> => {
  const waits: Array<number> = []
  let good = 0
  const all: Array<Promise<unknown>> = []
  const began = nanos()
  const now = () => (nanos() - began) / 1e6
  for (let sent = 0; now() < millis;) {
    for (const due = (now() / 1_000) * capacity * 3; sent < due; sent++) {
      const asked = now()
      all.push(
        send(async () => {
          await new Promise((resolve) => setTimeout(resolve, 10))
          waits.push(now() - asked)
          if (now() - asked <= wanted) good++
        }).catch(() => {})
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const ended = good
  await Promise.all(all)
  return { "": (ended * 1_000) / millis, p99: quantile(waits, 0.99) }
}
const overload = (millis: number): Race => ({
  name: "flow/goodput/3x",
  units: { "": "in time/s", p99: "ms" },
  repetitions: 3,
  ours: () =>
    withFlow({ workers: { min: 8, max: 8 } }, (herd) =>
      goodput(millis, (work) =>
        Effect.runPromiseExit(
          herd.run(
            Effect.promise(() => work()),
            { deadline: wanted }
          )
        ).then(Exit.isSuccess)
      )
    ),
  peers: {
    "p-queue": () => {
      const queue = new PQueue({ concurrency: 8 })
      return goodput(millis, (work) => queue.add(work)).finally(() => queue.clear())
    },
    bottleneck: () => {
      const limiter = new Bottleneck({ maxConcurrent: 8 })
      return goodput(millis, (work) => limiter.schedule({ expiration: wanted }, work))
    }
  },
  note: "Eight workers, 10 ms of work; three times of what they can do comes, each task wanted within 100 ms. More in time is better; p99 is of what ran."
})

const tenant = (behind: number): Race => ({
  name: "flow/tenant/start",
  units: { "": "ms" },
  repetitions: 3,
  ours: () => withFlow({ queue: { order: "fair" } }, (herd) => startOf(herd, behind)),
  peers: {
    "by arrival": () => withFlow({}, (herd) => startOf(herd, behind)),
    "p-queue": async () => {
      const queue = new PQueue({ concurrency: workers })
      const all = build(behind, () => queue.add(() => new Promise((resolve) => setTimeout(resolve, 1))))
      const asked = nanos()
      await queue.add(() => {})
      const took = (nanos() - asked) / 1e6
      queue.clear()
      void all
      return { "": took }
    }
  },
  note: `One task of a tenant behind ${behind} of another, of 1 ms each: until it starts.`
})

const startOf = async (herd: Flow["Service"], behind: number): Promise<Sample> => {
  const large = Effect.runFork(
    Effect.exit(
      herd.runAll(
        build(behind, () => Effect.sleep(1)),
        { key: "large" }
      )
    )
  )
  await new Promise((resolve) => setTimeout(resolve, 20))
  const asked = nanos()
  await Effect.runPromise(herd.run(Effect.void, { key: "small" }))
  const took = (nanos() - asked) / 1e6
  large.interruptUnsafe()
  return { "": took }
}

export const flow: Bench = {
  name: "flow",
  about: "limits, fairness and overload by key",
  races: (size) => {
    const quick = size === "quick"
    const n = quick ? 2_000 : 100_000
    return [
      {
        name: "flow/none",
        units: unit,
        ours: atOnce(n, 0, quick, {}),
        peers: {
          "with a key": atOnce(n, 100, quick, {}),
          "p-queue": promises(n, quick, () => {
            const queue = new PQueue({ concurrency: workers })
            return (thunk) => queue.add(thunk)
          })
        },
        note: `${quickly} No option of flow control.`
      },
      ...[1, 100, 10_000].map((keys) => fairRace(keys, n, quick)),
      caps(n, quick),
      rates(n, quick),
      refuse(quick ? 2_000 : 200_000, quick),
      backlog(quick ? 10_000 : 1_000_000),
      idle(quick ? 2_000 : 1_000_000),
      overload(quick ? 200 : 4_000),
      tenant(quick ? 500 : size === "long" ? 100_000 : 20_000)
    ]
  }
}

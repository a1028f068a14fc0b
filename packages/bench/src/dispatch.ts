// What it costs to hand a task to 16 workers and get its result back.
import { type AsyncResultCallback, queue as asyncQueue } from "async"
import Bottleneck from "bottleneck"
import { Effect, Pool, Semaphore } from "effect"
import fastq from "fastq"
import pLimit from "p-limit"
import PQueue from "p-queue"
import {
  type Body,
  build,
  effectCallers,
  effects,
  type Load,
  promiseCallers,
  type Task,
  type Thunk,
  thunks,
  withEffectPool
} from "./callers.ts"
import { withHerd, workers } from "./herds.ts"
import { efforts, perTask } from "./measure.ts"
import type { Bench, Contestant, Race } from "./Race.ts"

const openers = {
  "p-queue": () => {
    const queue = new PQueue({ concurrency: workers })
    return (thunk: Thunk) => queue.add(thunk)
  },
  "p-limit": () => {
    const limit = pLimit(workers)
    return (thunk: Thunk) => limit(thunk)
  },
  "fastq.promise": () => {
    const queue = fastq.promise(async (thunk: Thunk) => thunk(), workers)
    return (thunk: Thunk) => queue.push(thunk)
  },
  "async.queue": () => {
    // A worker with a callback: a sixth faster here than an async function.
    const queue = asyncQueue((thunk: Thunk, done: AsyncResultCallback<unknown>) => {
      const result = thunk()
      if (result instanceof Promise) result.then((value) => done(null, value), done)
      else done(null, result)
    }, workers)
    return (thunk: Thunk) => queue.pushAsync(thunk)
  },
  bottleneck: () => {
    const limiter = new Bottleneck({ maxConcurrent: workers })
    return (thunk: Thunk) => limiter.schedule(async () => thunk())
  }
}

const peer = (load: Load, name: keyof typeof openers): Contestant => promiseCallers(load, openers[name])

const effectPool =
  (load: Load): Contestant =>
  () =>
    withEffectPool((pool) => effectCallers(load, (task) => Pool.use(pool, () => task))())

const effectSemaphore =
  (load: Load): Contestant =>
  () => {
    const semaphore = Semaphore.makeUnsafe(workers)
    return effectCallers(load, (task) => semaphore.withPermit(task))()
  }

/** Times one program over all the tasks, such as a loop that needs no herd. */
const effectProgram =
  (load: Load, program: (tasks: ReadonlyArray<Task>) => Effect.Effect<unknown, unknown>): Contestant =>
  async () => {
    const ns = await perTask(load.n, load.effort, (n) => {
      const all = program(build(n, effects[load.body]))
      return () => Effect.runPromise(all)
    })
    return { "": ns }
  }

const forEach = (load: Load, discard: boolean): Contestant =>
  effectProgram(load, (tasks) => Effect.forEach(tasks, (task) => task, { concurrency: workers, discard }))

const unit = { "": "ns/task" }
const semaphoreMost = 2_000

const run = (load: Load, bottleneckMost: number): Race => {
  const all = load.callers >= load.n
  const { body } = load
  const fewer = (n: number): Load =>
    all
      ? { ...load, n: Math.min(n, load.n), callers: Math.min(n, load.n) }
      : { ...load, n: Math.min(n, load.n) }
  return {
    name: `dispatch/run/${body}${all ? "" : `/${load.callers}`}`,
    units: unit,
    ours: () => withHerd((herd) => effectCallers(load, (task) => herd.run(task))()),
    peers: {
      "p-queue": peer(load, "p-queue"),
      "p-limit": peer(load, "p-limit"),
      "fastq.promise": peer(load, "fastq.promise"),
      "async.queue": peer(load, "async.queue"),
      ...(body === "promise" ? { bottleneck: peer(fewer(bottleneckMost), "bottleneck") } : {}),
      "Effect.Semaphore": effectSemaphore(all ? fewer(semaphoreMost) : load),
      "Effect.Pool": effectPool(load),
      ...(all
        ? { "Effect.forEach": forEach(load, true), "no pool": effectCallers(load, (task) => task) }
        : {})
    },
    note: [
      all
        ? `${load.n} callers at once, one task each.`
        : `${load.callers === 1 ? "One caller" : `${load.callers} callers`}, one task after the other, ${load.n} in all.`,
      ...(all
        ? [`Effect.Semaphore with ${fewer(semaphoreMost).n}: its time per task grows with the waiters.`]
        : []),
      ...(body === "promise" ? [`bottleneck with ${fewer(bottleneckMost).n}.`] : []),
      ...(all
        ? [
            "Effect.forEach has one caller and concurrency 16.",
            "No pool: the same callers run their tasks at once, which is what the fibers of callers cost alone."
          ]
        : []),
      ...(body === "yield" ? ["The body of the promise libraries waits for setImmediate."] : [])
    ].join(" ")
  }
}

/** Each contestant does its work in a store, as everything does that a request of a server has begun. */
const inStore =
  (contestant: Contestant): Contestant =>
  async () => {
    // Loaded by this race alone: it is what others are spared.
    const { AsyncLocalStorage } = await import("node:async_hooks")
    return new AsyncLocalStorage().run({ user: "ada" }, contestant)
  }

const withContext = (load: Load): Race => {
  const { ours, peers, units } = run(load, 0)
  const { "Effect.Semaphore": semaphore, "p-queue": queue } = peers
  return {
    name: "dispatch/run/promise/context",
    units,
    ours: inStore(ours),
    peers: {
      "no store": ours,
      ...(queue === undefined ? {} : { "p-queue": inStore(queue) }),
      ...(semaphore === undefined ? {} : { "Effect.Semaphore": inStore(semaphore) })
    },
    note: `${load.callers} callers, one task after the other, ${load.n} in all, in an AsyncLocalStorage; "no store" is ours without.`
  }
}

const submit = (load: Load): Race => ({
  name: "dispatch/submit/promise",
  units: unit,
  ours: () =>
    withHerd((herd) =>
      effectProgram(load, (tasks) =>
        Effect.flatMap(
          Effect.forEach(tasks, (task) => herd.submit(task)),
          Effect.forEach((handle) => handle.join)
        )
      )()
    ),
  peers: {
    "p-queue": peer(load, "p-queue"),
    "p-limit": peer(load, "p-limit"),
    "fastq.promise": peer(load, "fastq.promise"),
    "async.queue": peer(load, "async.queue")
  },
  note: `One caller submits ${load.n} tasks, then joins every handle.`
})

const runAll = (load: Load): Race => ({
  name: `dispatch/runAll/${load.body}`,
  units: unit,
  ours: () => withHerd((herd) => effectProgram(load, (tasks) => herd.runAll(tasks))()),
  peers: {
    "p-queue.addAll": async () => {
      const queue = new PQueue({ concurrency: workers })
      const ns = await perTask(load.n, load.effort, (n) => {
        const tasks = build(n, thunks[load.body])
        return () => queue.addAll(tasks)
      })
      return { "": ns }
    },
    "Effect.forEach": forEach(load, false)
  },
  note: `${load.n} tasks, results in order. Effect.forEach with concurrency 16.`
})

/** The extra time that one task takes through a pool nobody else uses. */
const uncontended = (load: Load): Race => {
  const { n } = load
  const above = async (
    through: (n: number) => () => Promise<unknown>,
    bare: (n: number) => () => Promise<unknown>
  ) => {
    const total = await perTask(n, load.effort, through)
    return { "": total - (await perTask(n, load.effort, bare)) }
  }
  const loop =
    <E>(add: (task: Task) => Effect.Effect<unknown, E>) =>
    (n: number) => {
      const tasks = build(n, effects.sync)
      const program = Effect.gen(function* () {
        for (const task of tasks) yield* add(task)
      })
      return () => Effect.runPromise(program)
    }
  const asyncLoop = (add: (thunk: Thunk) => unknown) => (n: number) => {
    const tasks = build(n, thunks.sync)
    return async () => {
      for (const task of tasks) await add(task)
    }
  }
  const itself = loop((task) => task)
  return {
    name: "dispatch/uncontended/sync",
    units: { "": "ns above the task itself" },
    ours: () =>
      withHerd((herd) =>
        above(
          loop((task) => herd.run(task)),
          itself
        )
      ),
    peers: {
      "p-queue": () =>
        above(
          asyncLoop(openers["p-queue"]()),
          asyncLoop((thunk) => thunk())
        ),
      "p-limit": () =>
        above(
          asyncLoop(openers["p-limit"]()),
          asyncLoop((thunk) => thunk())
        ),
      "fastq.promise": () =>
        above(
          asyncLoop(openers["fastq.promise"]()),
          asyncLoop((thunk) => thunk())
        ),
      "Effect.Semaphore": () => {
        const semaphore = Semaphore.makeUnsafe(workers)
        return above(
          loop((task) => semaphore.withPermit(task)),
          itself
        )
      },
      "Effect.Pool": () =>
        withEffectPool((pool) =>
          above(
            loop((task) => Pool.use(pool, () => task)),
            itself
          )
        )
    },
    note: "One caller in a loop, less the same loop over the bare tasks."
  }
}

export const dispatch: Bench = {
  name: "dispatch",
  about: "time per task through 16 workers, for one, 64 and as many callers as tasks",
  races: (size) => {
    const n = { quick: 1_000, usual: 30_000, long: 100_000 }[size]
    const effort = efforts[size]
    const load = (body: Body, callers = n): Load => ({ n, callers, body, effort })
    const bodies = ["promise", "sync", "yield"] as const
    // About 2 ms per task, by its timers.
    const bottleneckMost = { quick: 10, usual: 100, long: 500 }[size]
    const runs = (body: Body) =>
      [load(body), load(body, 64), load(body, 1)].map((one) => run(one, bottleneckMost))
    return [
      ...bodies.flatMap(runs),
      withContext(load("promise", 64)),
      submit(load("promise")),
      ...bodies.map((body) => runAll(load(body))),
      uncontended(load("sync"))
    ]
  }
}

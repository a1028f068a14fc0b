import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { HerdConfig, type WorkerInfo } from "../../src/index.ts"
import { Bare, bare, conserved, gate, logger, start } from "./support.ts"

const refused = (options: HerdConfig.HerdOptions) => Effect.flip(HerdConfig.decode(options))

describe("lemmings: configuration", () => {
  it.effect("LM-01: every setting has a documented default, meaning and rule", () =>
    Effect.gen(function* () {
      const { queue, workers } = yield* HerdConfig.decode({})

      assert.deepStrictEqual(workers, { min: 1, max: 16, initial: 1 })
      assert.deepStrictEqual(queue, {
        capacity: Infinity,
        overflow: "suspend",
        ageing: 5000,
        order: "arrival",
        cost: "weight"
      })
      for (const { fallback, meaning, path, rule } of HerdConfig.settings)
        assert.strictEqual(Math.min(fallback.length, meaning.length, rule.length) > 0, true, path)
    })
  )

  it.effect("LM-02: a herd with no options starts", () =>
    Effect.gen(function* () {
      const herd = yield* Bare

      assert.include((yield* herd.stats).workers, { min: 1, max: 16, size: 1 })
    }).pipe(Effect.provide(Bare.layer()))
  )

  it.effect("LM-03: a number of initial workers beyond the maximum or below 0 is refused", () =>
    Effect.gen(function* () {
      const tooMany = yield* refused({ workers: { max: 4, initial: 5 } })
      const tooFew = yield* refused({ workers: { initial: -1 } })

      assert.strictEqual(tooMany.message, "workers.initial must be at most workers.max (4), got 5")
      assert.strictEqual(tooFew.field, "workers.initial")
    })
  )

  it.effect("LM-04: a maximum of 0 workers is refused", () =>
    Effect.gen(function* () {
      const { message } = yield* refused({ workers: { max: 0 } })

      assert.strictEqual(message, "workers.max must be an integer from 1 to 1,000,000, got 0")
    })
  )

  it.effect("LM-05: a minimum of 0 workers is allowed and one below 0 is refused", () =>
    Effect.gen(function* () {
      const { workers } = yield* HerdConfig.decode({ workers: { min: 0 } })

      assert.strictEqual(workers.min, 0)
      assert.strictEqual((yield* refused({ workers: { min: -1 } })).field, "workers.min")
    })
  )

  it.effect("LM-06: a minimum above the maximum is refused, at the start and at runtime", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const atStart = yield* refused({ workers: { min: 5, max: 4 } })
      const later = yield* Effect.flip(herd.setBounds({ min: 5, max: 4 }))

      assert.deepStrictEqual(
        [atStart.message, later.message],
        [
          "workers.min must be at most workers.max (4), got 5",
          "workers.min must be at most workers.max (4), got 5"
        ]
      )
      assert.include((yield* herd.stats).workers, { min: 1, max: 8 })
    }).pipe(Effect.provide(bare({ workers: { max: 8 } })))
  )

  it.effect("LM-09: every option that is given is applied", () =>
    Effect.gen(function* () {
      const options = {
        workers: { min: 2, max: 8, initial: 4 },
        queue: { capacity: 10, overflow: "dropLowest", ageing: "never" },
        shutdown: { drain: "1 second", interrupt: "2 seconds", destroy: "3 seconds" },
        scaling: "latency",
        scalingInterval: "1 minute",
        start: "eager",
        createTimeout: "4 seconds",
        maxCreating: 3,
        validateAfter: "2 minutes",
        validateTimeout: "3 minutes",
        idleTimeToLive: "4 minutes",
        maxLifetime: "5 minutes",
        keepAlive: "6 minutes",
        maxUses: 1000,
        reuse: "fifo",
        leakAfter: "7 minutes",
        onLeak: "interrupt",
        spares: 5,
        maxTemporary: 6,
        maxRequeues: 7,
        window: "8 seconds"
      } as const
      const config = yield* HerdConfig.decode(options)

      assert.deepStrictEqual(config, {
        workers: { min: 2, max: 8, initial: 4 },
        queue: { capacity: 10, overflow: "dropLowest", ageing: Infinity, order: "arrival", cost: "weight" },
        shutdown: { drain: 1000, interrupt: 2000, destroy: 3000 },
        scaling: "latency",
        scalingInterval: 60_000,
        start: "eager",
        createTimeout: 4000,
        maxCreating: 3,
        validateAfter: 120_000,
        validateTimeout: 180_000,
        idleTimeToLive: 240_000,
        maxLifetime: 300_000,
        keepAlive: 360_000,
        maxUses: 1000,
        reuse: "fifo",
        leakAfter: 420_000,
        onLeak: "interrupt",
        spares: 5,
        maxTemporary: 6,
        maxRequeues: 7,
        window: 8000
      })
    })
  )
})

describe("lemmings: manager", () => {
  it.effect("LM-10: tasks that no worker takes show in the length of the queue", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      for (let n = 0; n < 3; n++) yield* herd.submit(Effect.void)

      assert.strictEqual((yield* herd.stats).queue.depth, 3)
    }).pipe(Effect.provide(bare({ workers: { max: 4, min: 0, initial: 0 } })))
  )

  it.effect("LM-12: 500 tasks of five priorities on 20 workers all complete", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const handles = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, n) => n),
        (n) => herd.submit(Effect.as(Effect.sleep(10 + (n % 20)), n), { priority: n % 5 })
      )
      yield* TestClock.adjust("2 seconds")
      const results = yield* Effect.forEach(handles, ({ join }) => join)
      const stats = yield* herd.stats

      assert.deepStrictEqual(
        results,
        Array.from({ length: 500 }, (_, n) => n)
      )
      assert.include(stats.tasks, { submitted: 500, succeeded: 500, failed: 0, queued: 0, running: 0 })
      assert.strictEqual(stats.workers.peak, 20)
    }).pipe(Effect.provide(bare({ workers: { max: 20 } })))
  )

  it.effect("LM-14: a task succeeds after two retries, and one that always fails fails", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let runs = 0
      const flaky = Effect.suspend(() => (++runs <= 2 ? Effect.fail("flaky") : Effect.succeed("ok")))
      const retry = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 }))
      const both = yield* start(
        Effect.all([herd.run(flaky, { retry }), Effect.flip(herd.run(Effect.fail("always"), { retry }))], {
          concurrency: 2
        })
      )
      yield* TestClock.adjust("5 seconds")

      assert.deepStrictEqual(yield* Fiber.join(both), ["ok", "always"])
      assert.include((yield* herd.stats).tasks, { succeeded: 1, failed: 1, retried: 5 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-14: a retry delay holds no worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.fail("no"), { retry: Schedule.spaced("1 hour") })
      const { tasks, workers } = yield* herd.stats

      assert.deepStrictEqual([tasks.delayed, tasks.running, workers.idle], [1, 0, 1])
      assert.strictEqual(yield* herd.run(Effect.succeed("meanwhile")), "meanwhile")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("LM-15: cancelling reaches the running task, and its end is an interruption", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { seen, task } = gate()
      const handle = yield* herd.submit(task)
      yield* handle.interrupt
      const exit = yield* handle.await

      assert.deepStrictEqual([seen.started, seen.interrupted], [1, 1])
      assert.strictEqual(Exit.isFailure(exit) && Exit.hasInterrupts(exit), true)
      assert.strictEqual(yield* handle.status, "interrupted")
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-16: shutdown with 50 pending tasks completes all 50", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let completed = 0
      for (let n = 0; n < 50; n++)
        yield* herd.submit(
          Effect.andThen(
            Effect.sleep(10 + (n % 40)),
            Effect.sync(() => completed++)
          )
        )
      const stopping = yield* start(herd.stop({ drain: "30 seconds" }))
      yield* TestClock.adjust("30 seconds")

      assert.deepStrictEqual(yield* Fiber.join(stopping), {
        completed: 50,
        interrupted: 0,
        abandoned: 0,
        leaked: 0
      })
      assert.strictEqual(completed, 50)
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("LM-16: shutdown waits for a task in its retry delay", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let runs = 0
      const task = Effect.suspend(() => (++runs === 1 ? Effect.fail("no") : Effect.succeed("second")))
      const handle = yield* herd.submit(task, { retry: Schedule.spaced("1 second") })
      const stopping = yield* start(herd.stop({ drain: "30 seconds" }))
      yield* TestClock.adjust("1 second")

      assert.include(yield* Fiber.join(stopping), { completed: 1, abandoned: 0 })
      assert.strictEqual(yield* handle.join, "second")
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LM-17: low, medium and high submitted in this order run high, medium, low", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      yield* herd.submit(task)
      yield* herd.submit(note("low"), { priority: "low" })
      yield* herd.submit(note("medium"), { priority: "normal" })
      yield* herd.submit(note("high"), { priority: "high" })
      yield* open
      yield* herd.awaitIdle

      assert.deepStrictEqual(log, ["high", "medium", "low"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("LM-18: of 200 tasks 180 show as succeeded and 20 as failed", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const all = yield* start(
        herd.runAll(
          Array.from({ length: 200 }, (_, n) =>
            Effect.andThen(Effect.sleep(10), n % 10 === 0 ? Effect.fail("no") : Effect.void)
          ),
          { mode: "settle" }
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(all)
      const stats = yield* herd.stats
      const { failureRate, run, successRate, totals } = yield* herd.metrics

      assert.include(stats.tasks, { submitted: 200, succeeded: 180, failed: 20 })
      assert.include(totals, { succeeded: 180, failed: 20 })
      assert.deepStrictEqual([successRate, failureRate, run.count, run.mean], [0.9, 0.1, 200, 10])
      assert.strictEqual(conserved(stats), true)
    }).pipe(Effect.provide(bare({ workers: { max: 10 } })))
  )
})

describe("lemmings: examples", () => {
  it.effect("LM-E1: of 100 tasks with a 2 s limit every one completes or fails", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const all = yield* start(
        herd.runAll(
          Array.from({ length: 100 }, (_, n) =>
            Effect.andThen(
              Effect.sleep(100 + ((n * 37) % 500)),
              n % 10 === 0 ? Effect.fail("unlucky") : Effect.succeed(n)
            )
          ),
          { mode: "settle", timeout: "2 seconds" }
        )
      )
      yield* TestClock.adjust("1 minute")
      const exits = yield* Fiber.join(all)

      assert.deepStrictEqual([exits.filter(Exit.isSuccess).length, exits.length], [90, 100])
      assert.include((yield* herd.stats).tasks, { succeeded: 90, failed: 10, timedOut: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 20, initial: 5 } })))
  )

  it.effect("LM-E2: math, IO and mixed tasks with retries all end before a graceful stop is over", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const tries = new Map<number, number>()
      const flaky = (n: number) =>
        Effect.suspend(() => {
          const attempt = (tries.get(n) ?? 0) + 1
          tries.set(n, attempt)
          return attempt <= n % 4 ? Effect.fail("flaky") : Effect.succeed(n)
        })
      const retry = Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 2 }))
      for (let n = 0; n < 20; n++) {
        yield* herd.submit(
          Effect.sync(() => n * n),
          { label: "math" }
        )
        yield* herd.submit(Effect.sleep(50 + n), { label: "io" })
      }
      for (let n = 0; n < 100; n++) yield* herd.submit(flaky(n), { label: "mixed", retry })
      const stopping = yield* start(herd.stop({ drain: "10 seconds" }))
      yield* TestClock.adjust("10 seconds")
      const report = yield* Fiber.join(stopping)
      const { tasks } = yield* herd.stats

      // Three of four mixed tasks end well within two retries; the fourth needs a third one.
      assert.include(tasks, { submitted: 140, succeeded: 115, failed: 25, retried: 25 * (1 + 2 + 2) })
      assert.include(report, { abandoned: 0, interrupted: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 8 } })))
  )

  it.effect("LM-E3: the first program of the readme runs its task and returns its result", () =>
    Effect.gen(function* () {
      const result = yield* Bare.run(Effect.succeed("task 1 done"))

      assert.strictEqual(result, "task 1 done")
    }).pipe(Effect.provide(Bare.layer()))
  )

  it.effect("LM-E5: workers tell when they start and when they have stopped", () => {
    const { log, note } = logger()
    const hooks = {
      onWorkerStart: ({ workerId }: WorkerInfo) => note(`start ${workerId}`),
      onWorkerStop: ({ workerId }: WorkerInfo) => note(`stop ${workerId}`)
    }
    return Effect.gen(function* () {
      const herd = yield* Bare
      const started = [...log]
      yield* herd.stop()

      assert.deepStrictEqual(started, ["start 1", "start 2"])
      assert.deepStrictEqual(log.slice(2).toSorted(), ["stop 1", "stop 2"])
    }).pipe(Effect.provide(bare({ workers: { max: 2 }, hooks })))
  })
})

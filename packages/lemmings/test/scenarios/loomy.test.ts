import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch } from "effect"
import { TestClock } from "effect/testing"
import type { TaskInfo, WorkerInfo } from "../../src/index.ts"
import {
  Bare,
  bare,
  exitOf,
  flush,
  gate,
  logger,
  owning,
  start,
  Tool,
  toolbox,
  Tools,
  useTool
} from "./support.ts"

const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)
const double = (n: number) => Effect.sync(() => n * 2)

describe("loomy: processing", () => {
  it.effect("LY-01: a herd is resized up, down and to 0, still processes, and closes at size 0", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const sizes: Array<number> = []
      for (const size of [10, 10, 9, 10, 0, 10]) {
        yield* herd.resize(size)
        sizes.push((yield* herd.stats).workers.size)
      }
      const result = yield* herd.run(double(21))
      yield* herd.stop()

      assert.deepStrictEqual(sizes, [10, 10, 9, 10, 0, 10])
      assert.strictEqual(result, 42)
      assert.strictEqual((yield* herd.stats).workers.size, 0)
    }).pipe(Effect.provide(bare({ workers: { max: 10 } })))
  )

  it.effect.each([
    ["LY-02", "no limit", {}],
    ["LY-03", "a timeout", { timeout: "100 millis" }],
    ["LY-04", "a deadline", { deadline: "100 millis" }]
  ] as const)("%s: ten jobs one after another with %s are doubled", ([, , options]) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const results: Array<number> = []
      for (const n of numbers(10)) results.push(yield* herd.run(double(n), options))

      assert.deepStrictEqual(results, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
    }).pipe(Effect.provide(bare({ workers: { max: 10 } })))
  )

  it.effect("LY-05: a job with a deadline of a nanosecond misses it", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const caller = yield* start(Effect.flip(herd.run(Effect.sleep("10 millis"), { deadline: "1 nanos" })))
      yield* TestClock.adjust("1 millis")

      assert.strictEqual((yield* Fiber.join(caller))._tag, "DeadlineExceeded")
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-06: functions without a result run, each once", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let calls = 0
      const results = yield* herd.runAll(numbers(10).map(() => Effect.asVoid(Effect.sync(() => calls++))))

      assert.deepStrictEqual([calls, new Set(results)], [10, new Set([undefined])])
    }).pipe(Effect.provide(bare({ workers: { max: 10 } })))
  )

  it.effect("LY-07: a job of a millisecond with a timeout of a nanosecond times out", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const caller = yield* start(Effect.flip(herd.run(Effect.sleep("10 millis"), { timeout: "1 nanos" })))
      yield* TestClock.adjust("1 millis")

      assert.strictEqual((yield* Fiber.join(caller))._tag, "TaskTimeout")
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-08, LY-09: a closed herd refuses jobs with and without a timeout", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.stop()
      const plain = yield* Effect.flip(herd.run(double(1)))
      const timed = yield* Effect.flip(herd.run(double(1), { timeout: "1 millis" }))

      assert.deepStrictEqual([plain._tag, timed._tag], ["HerdClosed", "HerdClosed"])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-10: ten jobs that wait for each other all finish on ten workers", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const all = Latch.makeUnsafe()
      let arrived = 0
      const job = Effect.suspend(() => (++arrived === 10 ? all.open : all.await))
      yield* herd.runAll(numbers(10).map(() => job))

      assert.strictEqual(arrived, 10)
    }).pipe(Effect.provide(bare({ workers: { max: 10 } })))
  )

  it.effect("LY-12: five jobs handed over without waiting are each doubled", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const handles = yield* Effect.forEach(numbers(5), (n) =>
        herd.submit(Effect.andThen(Effect.yieldNow, double(n)))
      )

      assert.deepStrictEqual(yield* Effect.forEach(handles, ({ join }) => join), [0, 2, 4, 6, 8])
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("LY-13, LY-14: a batch of five on three workers keeps the order of its inputs", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const batch = yield* start(
        herd.runAll(
          numbers(5).map((n) => Effect.andThen(Effect.sleep(50 - n * 10), double(n))),
          {
            mode: "settle",
            deadline: "1 second"
          }
        )
      )
      yield* TestClock.adjust("200 millis")

      assert.deepStrictEqual(
        yield* Fiber.join(batch),
        [0, 2, 4, 6, 8].map((n) => Exit.succeed(n))
      )
    }).pipe(Effect.provide(bare({ workers: { max: 3 } })))
  )

  it.effect("LY-15: of three jobs of 100 ms on one worker none meets a deadline of 20 ms", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const batch = yield* start(
        herd.runAll(
          numbers(3).map(() => Effect.sleep("100 millis")),
          { mode: "settle", deadline: "20 millis" }
        )
      )
      yield* TestClock.adjust("20 millis")
      const exits = yield* Fiber.join(batch)

      const errors = exits.map((exit) => (exit._tag === "Failure" ? Cause.squash(exit.cause) : undefined))
      const phases = errors.map((error) => (error instanceof Object && "phase" in error ? error.phase : ""))
      assert.deepStrictEqual(phases, ["running", "waiting", "waiting"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

describe("loomy: workers", () => {
  it.effect("LY-11: a worker that is not ready takes no job, and the job's deadline ends the wait", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      const caller = yield* start(Effect.flip(herd.run(useTool, { deadline: "10 millis" })))
      yield* TestClock.adjust("10 millis")
      const error = yield* Fiber.join(caller)

      assert.include(error, { _tag: "DeadlineExceeded", phase: "waiting", workers: 0 })
      assert.strictEqual(box.tools[0]?.uses, 0)
    }).pipe(Effect.provide(owning(box, { workers: { max: 1 }, ready: () => Effect.never })))
  })

  it.effect("LY-11: a blocked job is unblocked by onInterrupt of its own worker, which then works on", () => {
    const box = toolbox()
    const blocked = Latch.makeUnsafe()
    const { log, note } = logger()
    const layer = owning(box, {
      workers: { max: 1 },
      onInterrupt: ({ id }) => Effect.andThen(note(`interrupt ${id}`), blocked.open),
      onDestroy: ({ id }) => note(`terminate ${id}`)
    })
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      // It heeds no interruption, as a job that waits for something outside.
      const job = Effect.uninterruptible(blocked.await)
      const caller = yield* start(Effect.flip(herd.run(job, { timeout: "10 millis" })))
      yield* TestClock.adjust("10 millis")
      const error = yield* Fiber.join(caller)
      const next = yield* herd.run(useTool)
      yield* herd.stop()

      assert.deepStrictEqual([error._tag, next], ["TaskTimeout", 1])
      assert.deepStrictEqual(log, ["interrupt 1", "terminate 1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("LY-23: workers tell of their start and stop as the herd is resized and closed", () => {
    const { log, note } = logger()
    const hooks = {
      onWorkerStart: ({ workerId }: WorkerInfo) => note(`start ${workerId}`),
      onWorkerStop: ({ workerId }: WorkerInfo) => note(`stop ${workerId}`)
    }
    return Effect.gen(function* () {
      const herd = yield* Bare
      const counts: Array<readonly [number, number]> = []
      const count = (what: string) => log.filter((line) => line.startsWith(what)).length
      const step = (effect: Effect.Effect<unknown, unknown>) =>
        Effect.map(Effect.andThen(effect, flush), () => counts.push([count("start"), count("stop")]))
      yield* step(Effect.void)
      for (const size of [3, 5, 2]) yield* step(herd.resize(size))
      yield* step(herd.stop())

      assert.deepStrictEqual(counts, [
        [0, 0],
        [3, 0],
        [5, 0],
        [5, 3],
        [5, 5]
      ])
      assert.strictEqual(new Set(log).size, 10)
    }).pipe(Effect.provide(bare({ workers: { min: 0, max: 5, initial: 0 }, hooks })))
  })
})

describe("loomy: defects and hooks", () => {
  it.effect.each([
    ["LY-16", "no limit", {}],
    ["LY-18", "a timeout", { timeout: "1 second" }],
    ["LY-19", "a deadline", { deadline: "1 second" }]
  ] as const)("%s: with %s a defect reaches its caller whole, and the next job is fine", ([, , options]) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const defect = new Error("panic")
      const exit = yield* Effect.exit(herd.run(Effect.die(defect), options))

      assert.deepStrictEqual(exit, Exit.die(defect))
      assert.strictEqual(yield* herd.run(double(4), options), 8)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("LY-17, LY-20: of ten jobs only those that die give a defect", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const exits = yield* herd.runAll(
        numbers(10).map((n) => (n % 2 === 0 ? Effect.die(n) : double(n))),
        { mode: "settle" }
      )

      assert.deepStrictEqual(
        exits,
        numbers(10).map((n) => (n % 2 === 0 ? Exit.die(n) : Exit.succeed(n * 2)))
      )
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  const counting = () => {
    const seen = { start: 0, complete: 0, error: 0, millis: [] as Array<number> }
    return {
      seen,
      hooks: {
        onTaskStart: () => Effect.sync(() => seen.start++),
        onTaskComplete: (_task: TaskInfo, millis: number) =>
          Effect.sync(() => {
            seen.complete++
            seen.millis.push(millis)
          }),
        onTaskError: () => Effect.sync(() => seen.error++)
      }
    }
  }

  it.effect("LY-21: five jobs that succeed give five starts, five completions and no error", () => {
    const { hooks, seen } = counting()
    return Effect.gen(function* () {
      const herd = yield* Bare
      const batch = yield* start(herd.runAll(numbers(5).map((n) => Effect.sleep(n * 10))))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(batch)

      assert.deepStrictEqual(seen, { start: 5, complete: 5, error: 0, millis: [0, 10, 20, 30, 40] })
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, hooks })))
  })

  it.effect(
    "LY-22: a job that dies and one that succeeds give two starts, one completion and one error",
    () => {
      const { hooks, seen } = counting()
      return Effect.gen(function* () {
        const herd = yield* Bare
        yield* Effect.exit(herd.run(Effect.die("panic")))
        yield* herd.run(Effect.void)

        assert.include(seen, { start: 2, complete: 1, error: 1 })
      }).pipe(Effect.provide(bare({ hooks })))
    }
  )
})

describe("loomy: shutdown", () => {
  it.effect("LY-24: a shutdown waits for ten jobs of 50 ms on two workers", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      for (const _ of numbers(10)) yield* herd.submit(Effect.sleep("50 millis"))
      const stopping = yield* start(herd.stop({ drain: "1 second" }))
      yield* TestClock.adjust("249 millis")
      const before = exitOf(stopping)
      yield* TestClock.adjust("1 millis")

      assert.strictEqual(before, undefined)
      assert.include(yield* Fiber.join(stopping), { completed: 10, abandoned: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("LY-25: a shutdown of 50 ms with ten jobs of 100 ms returns at 50 ms", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      for (const _ of numbers(10)) yield* herd.submit(Effect.sleep("100 millis"))
      const stopping = yield* start(herd.stop({ drain: "50 millis" }))
      yield* TestClock.adjust("49 millis")
      const before = exitOf(stopping)
      yield* TestClock.adjust("1 millis")

      assert.strictEqual(before, undefined)
      assert.deepStrictEqual(
        exitOf(stopping),
        Exit.succeed({ completed: 0, interrupted: 2, abandoned: 8, leaked: 0 })
      )
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("LY-26: the shutdown of an idle herd takes no time", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const stopping = yield* start(herd.stop({ drain: "1 minute" }))
      yield* flush

      assert.strictEqual(exitOf(stopping)?._tag, "Success")
    }).pipe(Effect.provide(bare()))
  )

  it.effect.each([
    ["LY-27", "deadline"],
    ["LY-28", "timeout"]
  ] as const)("%s: when the %s is over the job itself is cancelled", ([, limit]) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { seen, task } = gate()
      const caller = yield* start(
        limit === "timeout"
          ? Effect.ignore(herd.run(task, { timeout: "10 millis" }))
          : Effect.ignore(herd.run(task, { deadline: "10 millis" }))
      )
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(caller)

      assert.deepStrictEqual([seen.started, seen.interrupted, seen.running], [1, 1, 0])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-D1: a request that is cancelled cancels its job", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { seen, task } = gate()
      const request = yield* start(Effect.map(herd.run(task), () => "response"))
      yield* Fiber.interrupt(request)

      assert.deepStrictEqual([seen.interrupted, (yield* herd.stats).workers.busy], [1, 0])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-D2: 1,000 concurrent callers are all served before a shutdown of 30 s is over", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const callers = yield* Effect.forEach(numbers(1000), (n) =>
        start(herd.run(Effect.andThen(Effect.sleep("100 millis"), double(n))))
      )
      const stopping = yield* start(herd.stop({ drain: "30 seconds" }))
      yield* TestClock.adjust("30 seconds")
      const results = yield* Effect.forEach(callers, (caller) => Fiber.join(caller))

      assert.deepStrictEqual(
        results,
        numbers(1000).map((n) => n * 2)
      )
      assert.include(yield* Fiber.join(stopping), { completed: 1000 })
    }).pipe(Effect.provide(bare({ workers: { max: 10 } })))
  )
})

describe("loomy: regressions", () => {
  it.effect("LY-R: deadlines that expire at the hand-off lose no worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let late = 0
      for (let round = 0; round < 200; round++) {
        // Each worker becomes free in the very millisecond in which the deadlines of those behind expire.
        const batch = yield* start(
          herd.runAll(
            numbers(12).map(() => Effect.sleep("2 millis")),
            {
              mode: "settle",
              deadline: 2 + (round % 3)
            }
          )
        )
        yield* TestClock.adjust("10 millis")
        for (const exit of yield* Fiber.join(batch)) if (exit._tag === "Failure") late++
      }
      const { workers } = yield* herd.stats

      assert.include(workers, { idle: 4, busy: 0 })
      assert.isAbove(late, 200)
      assert.strictEqual(yield* herd.run(double(2)), 4)
      assert.include(yield* herd.stop(), { leaked: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 4 } })))
  )

  it.effect("LY-R: closing twice does no harm, and resizing afterwards is a typed error", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.stop()
      yield* herd.stop()
      yield* herd.kill
      const resized = yield* Effect.flip(herd.resize(3))
      const bounded = yield* Effect.flip(herd.setBounds({ min: 1, max: 3 }))
      const { workers } = yield* herd.stats

      assert.deepStrictEqual([workers.size, workers.starting], [0, 0])
      assert.deepStrictEqual([resized._tag, bounded._tag], ["HerdClosed", "HerdClosed"])
      assert.strictEqual((yield* Effect.flip(herd.resize(-1)))._tag, "InvalidConfig")
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-R: a shutdown seals the intake at once", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.sleep("700 millis"))
      const stopping = yield* start(herd.stop({ drain: "1 second" }))
      const late = yield* Effect.forEach(numbers(77), () => Effect.flip(herd.submit(Effect.void)))
      yield* TestClock.adjust("700 millis")

      assert.deepStrictEqual([...new Set(late.map(({ _tag }) => _tag))], ["HerdClosed"])
      assert.include(yield* Fiber.join(stopping), { completed: 1 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("LY-R: onInterrupt of an abandoned job ends before the next job has the worker", () => {
    const { log, note } = logger()
    const slow = gate()
    const layer = owning(toolbox(), {
      workers: { max: 1 },
      onInterrupt: () => Effect.andThen(slow.task, note("interrupt done"))
    })
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const abandoned = yield* start(herd.run(Effect.never))
      const next = yield* start(herd.run(Effect.andThen(Tool, note("next job"))))
      const leaving = yield* start(Fiber.interrupt(abandoned))
      yield* flush
      const before = [...log]
      yield* slow.open
      yield* Fiber.join(leaving)
      yield* Fiber.join(next)

      assert.deepStrictEqual(before, [])
      assert.deepStrictEqual(log, ["interrupt done", "next job"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("LY-R: hooks that die, fail, throw or never end reach no job", () => {
    const hooks = {
      onTaskStart: () => Effect.never,
      onTaskComplete: (): Effect.Effect<void> => {
        throw new Error("hook")
      },
      onTaskError: () => Effect.fail("hook"),
      onWorkerStart: () => Effect.die("hook"),
      onWorkerStop: () => Effect.die("hook")
    }
    return Effect.gen(function* () {
      const herd = yield* Bare

      assert.strictEqual(yield* herd.run(double(3)), 6)
      assert.strictEqual(yield* Effect.flip(herd.run(Effect.fail("own"))), "own")
      assert.include((yield* herd.stats).workers, { idle: 2, busy: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 2 }, hooks })))
  })

  it.effect("LY-R: the length of the queue counts the waiting jobs and not the running ones", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      yield* herd.submit(Effect.never)
      const running = (yield* herd.stats).queue.depth
      yield* herd.submit(Effect.never)

      assert.deepStrictEqual([running, (yield* herd.stats).queue.depth], [0, 1])
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  Bare,
  bare,
  conserved,
  exitOf,
  flush,
  gate,
  logger,
  owning,
  start,
  toolbox,
  Tools,
  useTool
} from "./support.ts"

const noPolicy = { checkHealth: () => false }

describe("tasker: shutdown", () => {
  it.effect("TK-08: after stop every gauge is 0 and the totals agree", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* start(
        herd.runAll(
          Array.from({ length: 20 }, (_, n) =>
            Effect.andThen(Effect.sleep("100 millis"), n % 10 === 0 ? Effect.fail("no") : useTool)
          ),
          { mode: "settle" }
        )
      )
      const stopping = yield* start(herd.stop({ drain: "1 minute" }))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopping)
      const { resources, tasks, workers } = yield* herd.stats

      assert.include(workers, { size: 0, idle: 0, busy: 0, burst: 0, starting: 0, stopping: 0 })
      assert.include(tasks, { queued: 0, running: 0, delayed: 0, submitted: 20, failed: 2, succeeded: 18 })
      assert.include(resources, { spares: 0, alive: 0, temporary: 0 })
    }).pipe(Effect.provide(owning(box, { workers: { max: 4, min: 2 }, spares: 1 })))
  })

  it.effect(
    "TK-09: stop lets five tasks of 100 ms on two workers finish and then destroys the resources",
    () => {
      const box = toolbox()
      const { log, note } = logger()
      return Effect.gen(function* () {
        const herd = yield* Tools
        yield* flush
        for (let n = 1; n <= 5; n++)
          yield* herd.submit(Effect.andThen(Effect.sleep("100 millis"), note(`task ${n}`)))
        yield* TestClock.adjust("150 millis")
        const stopping = yield* start(herd.stop({ drain: "1 minute" }))
        yield* TestClock.adjust("1 second")
        const report = yield* Fiber.join(stopping)

        assert.deepStrictEqual(log.slice(0, 5), ["task 1", "task 2", "task 3", "task 4", "task 5"])
        assert.deepStrictEqual(log.slice(5).toSorted(), ["destroy 1", "destroy 2"])
        assert.deepStrictEqual(report, { completed: 3, interrupted: 0, abandoned: 0, leaked: 0 })
      }).pipe(
        Effect.provide(owning(box, { workers: { max: 2 }, onDestroy: ({ id }) => note(`destroy ${id}`) }))
      )
    }
  )

  it.effect("TK-10: kill interrupts a running task at once and waits for its finalizers", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const caller = yield* start(
        Effect.flip(herd.run(Effect.onInterrupt(Effect.sleep("5 seconds"), () => note("cancelled"))))
      )
      yield* TestClock.adjust("50 millis")
      const report = yield* herd.kill
      const { workers } = yield* herd.stats

      assert.deepStrictEqual(log, ["cancelled"])
      assert.strictEqual((yield* Fiber.join(caller))._tag, "HerdClosed")
      assert.deepStrictEqual(report, { completed: 0, interrupted: 1, abandoned: 0, leaked: 0 })
      assert.deepStrictEqual([workers.size, workers.busy], [0, 0])
    }).pipe(Effect.provide(bare({ shutdown: { interrupt: "1 second" } })))
  )

  const ways = ["stop", "kill"] as const
  it.effect.each(ways)("TK-13: every way of submitting after %s is refused", (way) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* way === "stop" ? herd.stop() : herd.kill
      const { log, note } = logger()
      const task = note("ran")
      const refusals = yield* Effect.all([
        Effect.flip(herd.run(task)),
        Effect.flip(herd.run(task, { priority: "high" })),
        Effect.flip(herd.run(task, { once: true })),
        Effect.flip(herd.run(task, { once: true, priority: "high" })),
        Effect.flip(herd.submit(task)),
        Effect.flip(herd.submit(task, { priority: "high" })),
        Effect.flip(herd.offer(task)),
        Effect.flip(herd.runNow(task)),
        Effect.flip(herd.runAll([task, task]))
      ])

      assert.deepStrictEqual([...new Set(refusals.map(({ _tag }) => _tag))], ["HerdClosed"])
      assert.deepStrictEqual(log, [])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("TK-14: a second stop and a second kill give the first one's report", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      const reports = [yield* herd.stop({ drain: 0 }), yield* herd.stop(), yield* herd.kill, yield* herd.kill]

      for (const report of reports)
        assert.deepStrictEqual(report, { completed: 0, interrupted: 1, abandoned: 0, leaked: 0 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("TK-14: kill during a stop interrupts what the stop waits for", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { seen, task } = gate()
      yield* herd.submit(task)
      const queued = yield* start(Effect.flip(herd.run(task)))
      const stopping = yield* start(herd.stop({ drain: "1 hour" }))
      yield* TestClock.adjust("1 minute")
      const draining = [exitOf(stopping), seen.started]
      const report = yield* herd.kill

      assert.deepStrictEqual(draining, [undefined, 1])
      assert.deepStrictEqual(report, { completed: 0, interrupted: 1, abandoned: 1, leaked: 0 })
      assert.deepStrictEqual(exitOf(stopping), Exit.succeed(report))
      assert.strictEqual((yield* Fiber.join(queued))._tag, "HerdClosed")
      assert.deepStrictEqual([seen.started, seen.interrupted], [1, 1])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("TK-15: closing the parent scope is a graceful stop", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = bare({ workers: { max: 1 }, shutdown: { drain: "1 minute" } })
      const herd = Context.get(yield* Layer.buildWithScope(layer, scope), Bare)
      const callers = yield* Effect.forEach([1, 2, 3], (n) =>
        start(herd.run(Effect.as(Effect.sleep("1 second"), n)))
      )
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* flush
      const refused = yield* Effect.flip(herd.run(Effect.void))
      yield* TestClock.adjust("3 seconds")

      assert.strictEqual(refused._tag, "HerdClosed")
      assert.deepStrictEqual(yield* Effect.forEach(callers, (caller) => Fiber.join(caller)), [1, 2, 3])
      assert.deepStrictEqual(exitOf(closing), Exit.void)
    })
  )
})

describe("tasker: attempts", () => {
  it.effect.each(["normal", "high"] as const)(
    "TK-18: a once task of %s priority runs once on an unhealthy worker and gives its own error",
    (priority) =>
      Effect.gen(function* () {
        const herd = yield* Tools
        yield* flush
        let runs = 0
        const task = Effect.andThen(
          Effect.sync(() => runs++),
          Effect.fail("bad")
        )
        const retry = Schedule.recurs(5)
        const error = yield* Effect.flip(herd.run(task, { once: true, priority, retry }))

        assert.deepStrictEqual([error, runs], ["bad", 1])
      }).pipe(Effect.provide(owning(toolbox(), { workers: { max: 1 }, ...noPolicy })))
  )

  it.effect("TK-19: a defect reaches the caller, and the worker it broke is replaced", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const exit = yield* Effect.exit(herd.run(Effect.andThen(useTool, Effect.die("panic"))))
      const next = yield* herd.run(useTool)

      assert.deepStrictEqual(exit, Exit.die("panic"))
      assert.deepStrictEqual([next, box.tools[0]?.destroyed], [2, true])
      assert.include((yield* herd.stats).tasks, { failed: 1, succeeded: 1, requeued: 0 })
    }).pipe(Effect.provide(owning(box, { workers: { max: 1 }, ...noPolicy })))
  })

  it.effect("TK-24: submit returns before the task has ended, and its end is told once", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      const handle = yield* herd.submit(Effect.andThen(task, Effect.succeed("result")))
      yield* start(Effect.flatMap(handle.join, note))
      const before = [...log]
      yield* open
      yield* flush
      yield* herd.stop()

      assert.deepStrictEqual([before, log], [[], ["result"]])
    }).pipe(Effect.provide(bare()))
  )
})

describe("tasker: regressions", () => {
  it.effect("TK-25: one failed task changes neither target nor size", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.run(Effect.void)
      yield* Effect.exit(herd.run(Effect.fail("no")))
      yield* TestClock.adjust("1 minute")

      assert.include((yield* herd.stats).workers, { target: 2, size: 2, peak: 2 })
    }).pipe(Effect.provide(bare({ workers: { max: 20, initial: 2 } })))
  )

  it.effect("TK-25: slow creation never exceeds the maximum", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* start(herd.runAll(Array.from({ length: 50 }, () => useTool)))
      for (const size of [4, 1, 4, 2, 4, 0, 4]) {
        yield* herd.resize(size)
        yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("1 second")
      const { workers } = yield* herd.stats

      assert.include(workers, { size: 4, peak: 4 })
      assert.deepStrictEqual([box.alive(), (yield* herd.stats).tasks.succeeded], [4, 50])
    }).pipe(
      Effect.provide(
        owning(box, { workers: { max: 4 }, onCreate: Effect.andThen(Effect.sleep("400 millis"), box.make) })
      )
    )
  })

  it.effect("TK-25: workers that are slow to go count against the maximum", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* herd.resize(0)
      yield* herd.resize(4)
      yield* flush
      const during = [box.tools.length, (yield* herd.stats).workers.stopping]
      yield* TestClock.adjust("400 millis")
      const after = [box.tools.length, box.alive()]
      // So that closing the herd has no destruction to wait for.
      yield* herd.resize(0)
      yield* TestClock.adjust("400 millis")

      assert.deepStrictEqual(during, [4, 4])
      assert.deepStrictEqual(after, [8, 4])
    }).pipe(
      Effect.provide(
        owning(box, {
          workers: { min: 0, max: 4 },
          onDestroy: (tool) => Effect.andThen(Effect.sleep("400 millis"), box.destroy(tool)),
          shutdown: { drain: 0, interrupt: 0, destroy: "400 millis" }
        })
      )
    )
  })

  it.effect("TK-25: a storm of unhealthy results keeps the workers alive, and replacements back off", () => {
    const box = toolbox()
    let calls = 0
    const onCreate = Effect.suspend(() => (++calls > 2 && calls < 20 ? Effect.fail("down") : box.make))
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const storm = yield* start(
        herd.runAll(
          Array.from({ length: 6 }, () => Effect.fail("bad")),
          { mode: "settle" }
        )
      )
      yield* TestClock.adjust("5 seconds")
      const during = [calls, (yield* herd.stats).workers.starting]
      yield* TestClock.adjust("1 minute")
      const exits = yield* Fiber.join(storm)
      const { workers } = yield* herd.stats

      assert.deepStrictEqual(during, [14, 2])
      assert.deepStrictEqual(
        exits,
        exits.map(() => Exit.fail("bad"))
      )
      assert.include(workers, { size: 2, idle: 2, starting: 0 })
      assert.strictEqual(box.alive(), 2)
    }).pipe(
      Effect.provide(
        owning(box, {
          workers: { max: 2 },
          maxRequeues: 1,
          ...noPolicy,
          onCreate,
          createRetry: Schedule.spaced("1 second")
        })
      )
    )
  })

  it.effect("TK-25: submitters that race stop on 2,000 herds all come back", () =>
    Effect.gen(function* () {
      let accepted = 0
      let refused = 0
      for (let round = 0; round < 2000; round++) {
        yield* Effect.gen(function* () {
          const herd = yield* Bare
          const callers = yield* Effect.forEach([0, 1, 2], (n) =>
            start(
              Effect.andThen(
                Effect.replicateEffect(Effect.yieldNow, (round + n) % 4),
                Effect.exit(herd.run(Effect.yieldNow))
              )
            )
          )
          yield* Effect.replicateEffect(Effect.yieldNow, round % 3)
          yield* herd.stop({ drain: "1 minute" })
          for (const caller of callers) {
            const exit = yield* Fiber.join(caller)
            if (Exit.isSuccess(exit)) accepted++
            else refused++
          }
          assert.strictEqual(conserved(yield* herd.stats), true)
        }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
      }

      assert.strictEqual(accepted + refused, 6000)
      assert.strictEqual(accepted > 500 && refused > 500, true, `${accepted} accepted, ${refused} refused`)
    })
  )

  it.effect("TK-25: a full queue loses no retry and no re-queue", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let runs = 0
      const failing = Effect.suspend(() => (++runs < 4 ? Effect.fail("bad") : Effect.succeed("at last")))
      const { open, task } = gate()
      const retried = yield* start(
        herd.run(Effect.andThen(task, failing), { retry: Schedule.recurs(5), priority: "high" })
      )
      const queued = yield* herd.submit(Effect.void)
      const blocked = yield* start(herd.submit(Effect.void))
      yield* open

      assert.strictEqual(yield* Fiber.join(retried), "at last")
      yield* queued.join
      yield* (yield* Fiber.join(blocked)).join
      assert.strictEqual(runs, 4)
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )

  it.effect("TK-25: tasks of a failing worker are not lost while the herd stops", () =>
    Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      let runs = 0
      const caller = yield* start(
        Effect.flip(
          herd.run(
            Effect.sleep("1 second").pipe(
              Effect.andThen(Effect.sync(() => runs++)),
              Effect.andThen(Effect.fail("bad"))
            )
          )
        )
      )
      const stopping = yield* start(herd.stop({ drain: "1 minute" }))
      yield* TestClock.adjust("10 seconds")
      const report = yield* Fiber.join(stopping)

      assert.deepStrictEqual([yield* Fiber.join(caller), runs], ["bad", 2])
      assert.include(report, { completed: 1, abandoned: 0 })
    }).pipe(Effect.provide(owning(toolbox(), { workers: { max: 1 }, maxRequeues: 1, ...noPolicy })))
  )

  // it.live: it measures what a snapshot costs.
  it.live("TK-25: after a million completions a thousand snapshots still cost next to nothing", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const task = Effect.void
      for (let round = 0; round < 10; round++) yield* herd.runAll(Array.from({ length: 100_000 }, () => task))
      const began = performance.now()
      for (let n = 0; n < 1000; n++) yield* herd.metrics
      const millis = performance.now() - began
      const { totals } = yield* herd.metrics

      assert.strictEqual(totals.succeeded, 1_000_000)
      // The collector that this replaces needs 40 ms for each, 40,000 for all.
      assert.isBelow(millis, 5000)
    }).pipe(Effect.provide(bare()))
  )
})

import { assert, describe, it } from "@effect/vitest"
import { type Cause, Effect, Exit, Fiber, Layer, Logger, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { HerdConfig, type HerdEvent, type TaskInfo } from "../../src/index.ts"
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
import { defaults } from "../support/defaults.ts"

/** Only this error means that the worker is broken. */
const checkHealth = (cause: Cause.Cause<unknown>) =>
  !cause.reasons.some((reason) => reason._tag === "Fail" && reason.error === "processor_crash")

describe("tasker: examples", () => {
  it.effect("TK-01: blocking, callback and asynchronous submissions all give their results", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const using = (value: number) => Effect.as(useTool, value)
      const blocking = yield* herd.run(using(10 * 25))
      const told: Array<number> = []
      yield* start(Effect.map(herd.run(using(10 + 25)), (value) => told.push(value)))
      const handle = yield* herd.submit(using(100 - 40))
      const { resources, tasks, workers } = yield* herd.stats

      assert.deepStrictEqual([blocking, ...told, yield* handle.join], [250, 35, 60])
      assert.deepStrictEqual([workers.size, tasks.queued, resources.spares], [2, 0, 2])
    }).pipe(Effect.provide(owning(box, { workers: { max: 2 }, spares: 2 })))
  })

  it.effect("TK-02: an ordinary error reaches the caller and leaves the worker as it is", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      const exits = yield* herd.runAll(
        Array.from({ length: 10 }, (_, n) =>
          Effect.andThen(useTool, n % 3 === 0 ? Effect.fail("image_corrupted") : Effect.succeed(n))
        ),
        { mode: "settle" }
      )

      assert.deepStrictEqual(
        exits.map((exit, n) => [n, exit]).filter(([, exit]) => Exit.isExit(exit) && Exit.isFailure(exit)),
        [0, 3, 6, 9].map((n) => [n, Exit.fail("image_corrupted")])
      )
      assert.deepStrictEqual([box.tools.length, box.alive()], [2, 2])
      assert.include((yield* herd.stats).tasks, { succeeded: 6, failed: 4, requeued: 0 })
    }).pipe(Effect.provide(owning(box, { workers: { max: 2 }, checkHealth, maxRequeues: 1 })))
  })

  it.effect("TK-03: an urgent task overtakes the queued normal ones", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      yield* herd.submit(task)
      for (let n = 0; n < 5; n++) yield* herd.submit(note("normal"))
      yield* herd.submit(note("thumbnail"), { priority: "high" })
      yield* open
      yield* herd.awaitIdle

      assert.deepStrictEqual(log, ["thumbnail", "normal", "normal", "normal", "normal", "normal"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect(
    "TK-04: a crashed processor is destroyed and replaced, and its task runs once more elsewhere",
    () => {
      const box = toolbox()
      return Effect.gen(function* () {
        const herd = yield* Tools
        yield* flush
        const used: Array<number> = []
        const crash = useTool.pipe(
          Effect.map((id) => used.push(id)),
          Effect.andThen(Effect.fail("processor_crash"))
        )
        const error = yield* Effect.flip(herd.run(crash))
        yield* flush

        assert.strictEqual(error, "processor_crash")
        assert.strictEqual(new Set(used).size, 2)
        assert.deepStrictEqual([box.tools.length, box.alive()], [4, 2])
        assert.include((yield* herd.stats).tasks, { requeued: 1, failed: 1 })
        assert.include((yield* herd.stats).workers, { idle: 2 })
      }).pipe(Effect.provide(owning(box, { workers: { max: 2 }, checkHealth, maxRequeues: 1 })))
    }
  )

  it.effect("TK-05: a fast preview runs at once on a spare although the workers are busy", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      yield* herd.submit(Effect.never)
      yield* herd.submit(Effect.never)
      const { spares } = (yield* herd.stats).resources
      const id = yield* herd.runNow(useTool)

      assert.strictEqual(spares, 1)
      assert.deepStrictEqual([box.tools[id - 1]?.uses, box.tools.length], [1, 3])
      assert.strictEqual((yield* herd.stats).resources.spares, 1)
    }).pipe(Effect.provide(owning(box, { workers: { max: 2 }, spares: 1 })))
  })

  it.effect("TK-07: an urgent task that comes while every worker is busy is the next to run", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      for (let n = 0; n < 20; n++) yield* herd.submit(Effect.sleep("400 millis"))
      const urgent = yield* start(herd.run(Effect.sleep("100 millis"), { priority: "critical" }))
      yield* TestClock.adjust("500 millis")

      assert.deepStrictEqual(exitOf(urgent), Exit.void)
      assert.strictEqual((yield* herd.stats).tasks.queued > 10, true)
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )
})

describe("tasker: statistics", () => {
  it.effect("TK-11: a running task shows as one busy worker and nothing queued", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const before = yield* herd.stats
      const { open, task } = gate()
      const handle = yield* herd.submit(task)
      const during = yield* herd.stats
      yield* open
      yield* handle.join
      const after = yield* herd.stats

      assert.deepStrictEqual(
        [before, during, after].map(({ tasks, workers }) => [workers.size, workers.busy, tasks.queued]),
        [
          [1, 0, 0],
          [1, 1, 0],
          [1, 0, 0]
        ]
      )
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("TK-12: ten tasks of different lengths on one worker show in rates, means and percentiles", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const all = yield* start(herd.runAll(Array.from({ length: 10 }, (_, n) => Effect.sleep(100 * (n + 1)))))
      yield* TestClock.adjust("5500 millis")
      yield* Fiber.join(all)
      const metrics = yield* herd.metrics

      assert.strictEqual(metrics.totals.succeeded, 10)
      assert.include(metrics.run, { count: 10, mean: 550, min: 100, max: 1000 })
      assert.approximately(metrics.run.p95, 1000, 1000 / 32)
      assert.approximately(metrics.wait.mean, 1650, 1)
      assert.approximately(metrics.endedRate, 10 / 5.5, 0.01)
      assert.deepStrictEqual([metrics.successRate, metrics.failureRate], [1, 0])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("TK-20: events tell of arrival, completion, failure and retry with their times", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const seen: Array<HerdEvent> = []
      yield* start(Stream.runForEach(herd.events, (event) => Effect.sync(() => seen.push(event))))
      yield* flush
      let runs = 0
      const twice = Effect.suspend(() => (++runs === 1 ? Effect.fail("once") : Effect.void))
      const caller = yield* start(
        herd.run(Effect.andThen(Effect.sleep(10), twice), { retry: Schedule.spaced("1 second"), id: "twice" })
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(caller)
      yield* Effect.exit(herd.run(Effect.fail("no"), { id: "never" }))
      yield* flush

      assert.deepStrictEqual(
        seen.map((event) => [event._tag, event.at, "taskId" in event ? event.taskId : ""]),
        [
          ["TaskAccepted", 0, "twice"],
          ["TaskStarted", 0, "twice"],
          ["TaskFinished", 10, "twice"],
          ["TaskRetried", 10, "twice"],
          ["TaskStarted", 1010, "twice"],
          ["TaskFinished", 1020, "twice"],
          ["TaskAccepted", 2000, "never"],
          ["TaskStarted", 2000, "never"],
          ["TaskFinished", 2000, "never"]
        ]
      )
      assert.strictEqual((yield* herd.stats).tasks.retried, 1)
    }).pipe(Effect.provide(bare()))
  )

  it.effect(
    "TK-20: hooks see start, completion and error, and what goes wrong beside a task is logged",
    () => {
      const { log, note } = logger()
      const messages: Array<string> = []
      const logging = Logger.layer([
        Logger.make(({ logLevel, message }) => messages.push(`${logLevel} ${String(message)}`))
      ])
      const hooks = {
        onTaskStart: ({ id }: TaskInfo) => note(`start ${id}`),
        onTaskComplete: ({ id }: TaskInfo) => Effect.andThen(note(`complete ${id}`), Effect.die("hook")),
        onTaskError: ({ id }: TaskInfo) => note(`error ${id}`)
      }
      return Effect.gen(function* () {
        const herd = yield* Bare
        yield* herd.run(Effect.void, { id: "a" })
        yield* Effect.exit(herd.run(Effect.fail("no"), { id: "b" }))
        yield* flush

        assert.deepStrictEqual(log, ["start a", "complete a", "start b", "error b"])
        assert.strictEqual(
          messages.some((line) => line.startsWith("Warn herd scenarios/Bare: onTaskComplete failed")),
          true,
          messages.join("\n")
        )
      }).pipe(Effect.provide(Layer.provide(bare({ hooks }), logging)))
    }
  )

  it.effect("TK-22: without a scaling policy the load never changes the number of workers", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const sizes: Array<number> = []
      yield* start(herd.runAll(Array.from({ length: 200 }, () => Effect.sleep("1 second"))))
      for (let second = 0; second < 5; second++) {
        sizes.push(yield* herd.target)
        yield* TestClock.adjust("1 second")
      }

      assert.deepStrictEqual(sizes, [2, 2, 2, 2, 2])
    }).pipe(Effect.provide(bare({ workers: { max: 20, initial: 2 }, scaling: "fixed" })))
  )

  it.effect("TK-23: rates are those of the recent window and fall to 0 when the herd is idle", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      for (let n = 0; n < 100; n++) {
        yield* herd.run(Effect.void)
        yield* TestClock.adjust("100 millis")
      }
      const busy = yield* herd.metrics
      yield* TestClock.adjust("12 seconds")
      const idle = yield* herd.metrics

      assert.approximately(busy.arrivalRate, 10, 1)
      assert.approximately(busy.endedRate, 10, 1)
      assert.deepStrictEqual([idle.arrivalRate, idle.endedRate, idle.run.count], [0, 0, 0])
      assert.strictEqual(idle.totals.succeeded, 100)
    }).pipe(Effect.provide(bare({ window: "10 seconds" })))
  )
})

describe("tasker: configuration", () => {
  it.effect("TK-21: a worker count that is none is refused, and the defaults are the documented ones", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.forEach([0, -1], (max) =>
        Effect.map(Effect.flip(HerdConfig.decode({ workers: { max } })), ({ field }) => field)
      )

      assert.deepStrictEqual(refused, ["workers.max", "workers.max"])
      assert.deepStrictEqual(yield* HerdConfig.decode({}), defaults)
    })
  )

  it.effect("TK-21: 0 re-queues means none, and no retry policy means no retry", () => {
    const box = toolbox()
    return Effect.gen(function* () {
      const herd = yield* Tools
      yield* flush
      let runs = 0
      const task = Effect.andThen(
        Effect.sync(() => runs++),
        Effect.fail("processor_crash")
      )
      yield* Effect.exit(herd.run(task))
      yield* Effect.exit(herd.run(task))

      assert.strictEqual(runs, 2)
    }).pipe(Effect.provide(owning(box, { workers: { max: 1 }, checkHealth, maxRequeues: 0 })))
  })

  it.effect("TK-16: runNow says that its temporary resource could not be made, and why", () =>
    Effect.gen(function* () {
      const herd = yield* Tools
      const error = yield* Effect.flip(herd.runNow(Effect.map(Tool, ({ id }) => id)))

      assert.include(error, { _tag: "ResourceUnavailable", cause: "no tool" })
      assert.strictEqual(error.message, `Herd "scenarios/Tools" could not create a resource: no tool`)
      assert.strictEqual((yield* herd.stats).resources.temporary, 0)
    }).pipe(
      Effect.provide(
        owning(toolbox(), { workers: { max: 1, min: 0, initial: 0 }, onCreate: Effect.fail("no tool") })
      )
    )
  )

  it.effect(
    "TK-17: a spare that cannot be made is counted, and the spares that were made are destroyed",
    () => {
      const box = toolbox()
      const onCreate = Effect.suspend(() => (box.tools.length === 2 ? Effect.fail("no third") : box.make))
      return Effect.gen(function* () {
        const { alive, stats } = yield* Effect.gen(function* () {
          yield* flush
          return { alive: box.alive(), stats: yield* (yield* Tools).stats }
        }).pipe(Effect.provide(owning(box, { workers: { max: 1, min: 0, initial: 0 }, spares: 3, onCreate })))

        assert.deepStrictEqual([alive, box.alive()], [2, 0])
        assert.include(stats.resources, { spares: 2, createFailures: 1, lastCreateError: "no third" })
      })
    }
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { HerdConfig } from "../../src/index.ts"
import { Bare, bare, conserved, exitOf, flush, gate, logger, start, Strict, strict } from "./support.ts"

describe("p-queue: basic", () => {
  it.effect("five workers run five tasks at a time", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let running = 0
      let peak = 0
      const task = Effect.suspend(() => {
        peak = Math.max(peak, ++running)
        return Effect.sleep("100 millis")
      }).pipe(Effect.andThen(Effect.sync(() => running--)))

      const all = yield* start(herd.runAll(Array.from({ length: 100 }, () => task)))
      yield* TestClock.adjust("2 seconds")

      assert.strictEqual((yield* Fiber.join(all)).length, 100)
      assert.strictEqual(peak, 5)
    }).pipe(Effect.provide(bare({ workers: { max: 5 } })))
  )

  it.effect("one worker runs tasks one after another in the order they came", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const task = (name: string, millis: number) =>
        note(`${name} starts`).pipe(
          Effect.andThen(Effect.sleep(millis)),
          Effect.andThen(note(`${name} ends`))
        )

      yield* start(herd.run(task("a", 300)))
      yield* start(herd.run(task("b", 200)))
      yield* start(herd.run(task("c", 100)))
      yield* TestClock.adjust("600 millis")

      assert.deepStrictEqual(log, ["a starts", "a ends", "b starts", "b ends", "c starts", "c ends"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("a larger size starts queued tasks at once, a smaller one after the running tasks", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let running = 0
      const task = Effect.acquireUseRelease(
        Effect.sync(() => running++),
        () => Effect.sleep("100 millis"),
        () => Effect.sync(() => running--)
      )
      yield* start(herd.runAll(Array.from({ length: 20 }, () => task)))
      const few = running
      yield* herd.resize(5)
      yield* flush
      const many = running
      yield* herd.resize(2)
      const shrinking = running
      yield* TestClock.adjust("100 millis")

      assert.deepStrictEqual([few, many, shrinking, running], [1, 5, 5, 2])
    }).pipe(Effect.provide(bare({ workers: { max: 5, initial: 1 } })))
  )

  it.effect("larger priorities run first, and equal ones in the order they came", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger<number>()
      const { open, task } = gate()
      yield* start(herd.run(task))
      for (const [n, priority] of [
        [1, 6],
        [2, 5],
        [3, undefined],
        [4, 7],
        [5, -1],
        [6, 6]
      ] as const)
        yield* start(herd.run(note(n), { priority }))
      yield* open
      yield* herd.awaitIdle

      assert.deepStrictEqual(log, [4, 1, 6, 2, 3, 5])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("stats tell the waiting tasks above normal priority from the others", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      for (const priority of ["low", "normal", "high", "critical", 6] as const)
        yield* herd.submit(Effect.void, { priority })
      const { queue } = yield* herd.stats

      assert.deepStrictEqual([queue.depth, queue.urgent], [5, 3])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("tasks that are synchronous, asynchronous, failing and dying mix", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const exits = yield* herd.runAll(
        [
          Effect.sync(() => "sync"),
          Effect.promise(() => Promise.resolve("promise")),
          Effect.fail("no"),
          Effect.sync((): string => {
            throw new Error("broken")
          }),
          Effect.as(Effect.yieldNow, "last")
        ],
        { mode: "settle" }
      )

      assert.deepStrictEqual(exits, [
        Exit.succeed("sync"),
        Exit.succeed("promise"),
        Exit.fail("no"),
        Exit.die(new Error("broken")),
        Exit.succeed("last")
      ])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("runAll returns results in the order of its tasks and leaves the options as they were", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const options = Object.freeze({ priority: "high", label: "batch", timeout: "1 second" } as const)
      const tasks = [30, 10, 20].map((millis) => Effect.as(Effect.sleep(millis), millis))
      const all = yield* start(herd.runAll(tasks, options))
      yield* TestClock.adjust("1 second")

      assert.deepStrictEqual(yield* Fiber.join(all), [30, 10, 20])
      assert.deepStrictEqual(options, { priority: "high", label: "batch", timeout: "1 second" })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("the first failure reaches every listener", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const firstFailure = herd.events.pipe(
        Stream.filter((event) => event._tag === "TaskFinished" && event.outcome === "failed"),
        Stream.map((event) => (event._tag === "TaskFinished" ? event.taskId : "")),
        Stream.take(1),
        Stream.runCollect
      )
      const listeners = yield* start(Effect.all([firstFailure, firstFailure], { concurrency: 2 }))
      yield* flush
      yield* herd.run(Effect.void, { id: "good" })
      yield* Effect.exit(herd.run(Effect.fail("first"), { id: "bad" }))
      yield* Effect.exit(herd.run(Effect.fail("second"), { id: "worse" }))

      assert.deepStrictEqual(yield* Fiber.join(listeners), [["bad"], ["bad"]])
    }).pipe(Effect.provide(bare()))
  )
})

describe("p-queue: timeout", () => {
  it.effect("each task has its own timeout, and one without any runs on", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const slow = Effect.as(Effect.sleep("400 millis"), "done")
      const short = yield* start(Effect.flip(herd.run(slow, { timeout: "300 millis" })))
      const long = yield* start(herd.run(slow, { timeout: "500 millis" }))
      const none = yield* start(herd.run(slow))
      yield* TestClock.adjust("300 millis")
      const at300 = [short, long, none].map((fiber) => fiber.pollUnsafe() !== undefined)
      yield* TestClock.adjust("100 millis")

      assert.deepStrictEqual(at300, [true, false, false])
      assert.strictEqual((yield* Fiber.join(short))._tag, "TaskTimeout")
      assert.deepStrictEqual([yield* Fiber.join(long), yield* Fiber.join(none)], ["done", "done"])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("a timed-out task holds its worker until its finalizers have ended", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let running = 0
      let peak = 0
      const task = Effect.acquireUseRelease(
        Effect.sync(() => (peak = Math.max(peak, ++running))),
        () => Effect.sleep("1 hour"),
        () =>
          Effect.andThen(
            Effect.sleep("1 second"),
            Effect.sync(() => running--)
          )
      )
      const all = yield* start(
        herd.runAll(
          Array.from({ length: 4 }, () => task),
          { mode: "settle", timeout: "10 millis" }
        )
      )
      yield* TestClock.adjust("10 seconds")

      assert.strictEqual((yield* Fiber.join(all)).every(Exit.isFailure), true)
      assert.deepStrictEqual([peak, running], [1, 0])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("the timeout error says what the queue looked like", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const timedOut = yield* start(Effect.flip(herd.run(Effect.never, { id: "slow", timeout: "50 millis" })))
      for (let n = 0; n < 3; n++) yield* herd.submit(Effect.void)
      yield* TestClock.adjust("50 millis")
      const error = yield* Fiber.join(timedOut)

      assert.include(error, { taskId: "slow", phase: "running", queued: 3, workers: 1 })
      assert.strictEqual(
        error.message,
        "Task slow exceeded its timeout of 50 ms while running (3 queued, 1 workers)."
      )
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

describe("p-queue: validation", () => {
  it.effect.each([
    [{ workers: { max: 0 } }, "workers.max"],
    [{ workers: { max: -1 } }, "workers.max"],
    [{ workers: { max: 1.5 } }, "workers.max"],
    [{ workers: { max: NaN } }, "workers.max"],
    [{ queue: { capacity: -1 } }, "queue.capacity"],
    [{ shutdown: { drain: -1 } }, "shutdown.drain"],
    [{ window: 0 }, "window"]
  ] as const)("options %j are refused by the name of the field %s", ([options, field]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(Bare, Bare.layer(options)))

      assert.include(error, { _tag: "InvalidConfig", field })
    })
  )

  it.effect("a timeout or a priority that is none dies in its submitter and leaves the herd as it was", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const timeout = yield* Effect.exit(herd.run(Effect.void, { timeout: -1 }))
      const priority = yield* Effect.exit(herd.run(Effect.void, { priority: 1.5 }))
      const { tasks } = yield* herd.stats

      assert.deepStrictEqual([Exit.hasDies(timeout), Exit.hasDies(priority)], [true, true])
      assert.deepStrictEqual([tasks.submitted, tasks.running, tasks.queued], [0, 0, 0])
      assert.strictEqual(yield* herd.run(Effect.succeed("still here")), "still here")
    }).pipe(Effect.provide(bare()))
  )

  it("every setting has a default that its own rule accepts", () => {
    for (const { fallback, parse, path } of HerdConfig.settings)
      if (path !== "workers.initial") assert.notStrictEqual(parse(fallback), undefined, path)
  })
})

describe("p-queue: pause", () => {
  it.effect("a paused herd accepts and starts nothing until it is resumed", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.pause
      const { open, seen, task } = gate()
      const all = yield* start(herd.runAll([task, task, task]))
      const paused = yield* herd.stats
      const startedWhilePaused = seen.started
      yield* herd.resume
      const resumed = yield* herd.stats

      assert.deepStrictEqual([startedWhilePaused, paused.paused, paused.tasks.queued], [0, true, 3])
      assert.deepStrictEqual([seen.started, resumed.paused, resumed.tasks.queued], [2, false, 1])
      yield* open
      yield* Fiber.join(all)
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("pause lets running tasks go on and holds back what they would make room for", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, seen, task } = gate()
      yield* start(herd.runAll([task, task, task, task]))
      yield* herd.pause
      yield* open
      yield* flush
      const { tasks, workers } = yield* herd.stats

      assert.deepStrictEqual([seen.started, seen.ended], [2, 2])
      assert.deepStrictEqual([tasks.queued, tasks.running, workers.idle], [2, 0, 2])
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("a task interrupted while the herd is paused never runs", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      yield* herd.pause
      const caller = yield* start(herd.run(note("paused")))
      yield* Fiber.interrupt(caller)
      yield* herd.resume
      yield* herd.awaitIdle

      assert.deepStrictEqual(log, [])
      assert.strictEqual((yield* herd.stats).tasks.interrupted, 1)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("pausing and resuming twice is the same as once", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const seen = yield* start(
        herd.events.pipe(
          Stream.map(({ _tag }) => _tag),
          Stream.filter((tag) => tag === "Paused" || tag === "Resumed"),
          Stream.take(4),
          Stream.runCollect
        )
      )
      yield* flush
      for (const step of [herd.resume, herd.pause, herd.pause, herd.resume, herd.resume, herd.pause])
        yield* step
      yield* herd.resume

      assert.deepStrictEqual(yield* Fiber.join(seen), ["Paused", "Resumed", "Paused", "Resumed"])
    }).pipe(Effect.provide(bare()))
  )
})

describe("p-queue: debug", () => {
  it.effect("stats count running, waiting and idle, and say when all workers are busy", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const all = yield* start(herd.runAll([task, task, task]))
      const full = yield* herd.stats
      yield* open
      yield* Fiber.join(all)
      const empty = yield* herd.stats

      assert.deepStrictEqual([full.tasks.running, full.queue.depth, full.utilization], [2, 1, 1])
      assert.deepStrictEqual([empty.tasks.running, empty.queue.depth, empty.utilization], [0, 0, 0])
      assert.strictEqual(conserved(full) && conserved(empty), true)
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("a bounded queue says how full it is", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      for (let n = 0; n < 3; n++) yield* herd.offer(Effect.never)
      const { queue } = yield* herd.stats

      assert.include(queue, { depth: 2, capacity: 4, fill: 0.5 })
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 4 } })))
  )

  it.effect("events name the tasks that run and how long they waited", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const started = yield* start(
        herd.events.pipe(
          Stream.filter((event) => event._tag === "TaskStarted"),
          Stream.map((event) => (event._tag === "TaskStarted" ? [event.taskId, event.waitMillis] : [])),
          Stream.take(2),
          Stream.runCollect
        )
      )
      yield* flush
      const first = yield* start(herd.run(Effect.sleep("80 millis"), { id: "first" }))
      yield* start(herd.run(Effect.void, { id: "second" }))
      yield* TestClock.adjust("80 millis")

      assert.deepStrictEqual(yield* Fiber.join(started), [
        ["first", 0],
        ["second", 80]
      ])
      assert.deepStrictEqual(exitOf(first), Exit.void)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

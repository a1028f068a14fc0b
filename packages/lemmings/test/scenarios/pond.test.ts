import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Bare, bare, conserved, exitOf, flush, gate, logger, start, Strict, strict } from "./support.ts"

describe("pond: submit and stop", () => {
  it.effect("a task's result, its error and its defect reach whoever awaits the handle", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const broken = new Error("broken")
      const done = yield* herd.submit(Effect.succeed(10))
      const failed = yield* herd.submit(Effect.fail("no"))
      const died = yield* herd.submit(Effect.die(broken))

      assert.deepStrictEqual(yield* done.await, Exit.succeed(10))
      assert.deepStrictEqual(yield* failed.await, Exit.fail("no"))
      assert.deepStrictEqual(yield* died.await, Exit.die(broken))
    }).pipe(Effect.provide(bare()))
  )

  it.effect("cancelling the parent of 10,000 waiting tasks settles all and runs none", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      let ran = 0
      const parent = yield* start(
        Effect.forEach(Array.from({ length: 10_000 }), () => herd.run(Effect.sync(() => ran++)), {
          concurrency: "unbounded"
        })
      )
      yield* flush
      const { tasks: before } = yield* herd.stats
      yield* Fiber.interrupt(parent)
      const { tasks } = yield* herd.stats
      yield* open
      yield* herd.awaitIdle

      assert.strictEqual(before.queued, 10_000)
      assert.deepStrictEqual([tasks.queued, tasks.interrupted, ran], [0, 10_000, 0])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("stop after the submitters were cancelled with tasks queued does not hang", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, seen, task } = gate()
      const callers = yield* Effect.forEach(Array.from({ length: 50 }), () => start(herd.run(task)))
      const left = yield* start(Fiber.interruptAll(callers))
      const report = yield* herd.stop({ drain: "1 minute", interrupt: "1 minute" })
      yield* Fiber.join(left)
      yield* open

      assert.deepStrictEqual(report, { completed: 0, interrupted: 0, abandoned: 0, leaked: 0 })
      assert.deepStrictEqual([seen.running, seen.interrupted], [0, seen.started])
      assert.strictEqual((yield* herd.stats).tasks.interrupted, 50)
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("counts add up at every moment of a mix of outcomes", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const look = Effect.map(herd.stats, conserved)
      const all = yield* start(
        herd.runAll(
          Array.from({ length: 60 }, (_, n) => {
            const after = Effect.sleep(10 * (n % 7))
            if (n % 3 === 0) return Effect.andThen(after, Effect.fail("no"))
            return n % 3 === 1 ? Effect.andThen(after, Effect.die("broken")) : after
          }),
          { mode: "settle" }
        )
      )
      const seen: Array<boolean> = []
      for (let step = 0; step < 60; step++) {
        seen.push(yield* look)
        yield* TestClock.adjust(10)
      }
      yield* Fiber.join(all)
      const { tasks, workers } = yield* herd.stats

      assert.deepStrictEqual(
        seen,
        Array.from({ length: 60 }, () => true)
      )
      assert.include(tasks, { submitted: 60, succeeded: 20, failed: 40, queued: 0, running: 0 })
      assert.deepStrictEqual([workers.busy, workers.idle], [0, 3])
    }).pipe(Effect.provide(bare({ workers: { max: 3 } })))
  )

  it.effect("every way of submitting to a stopped herd is refused with its state", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.stop()
      const errors = yield* Effect.all([
        Effect.flip(herd.run(Effect.void)),
        Effect.flip(herd.submit(Effect.void)),
        Effect.flip(herd.offer(Effect.void)),
        Effect.flip(herd.runNow(Effect.void)),
        Effect.flip(herd.runAll([Effect.void]))
      ])

      for (const error of errors) assert.include(error, { _tag: "HerdClosed", state: "closed" })
      assert.strictEqual((yield* herd.stats).tasks.submitted, 0)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("a submission while the herd drains is refused, and what was accepted before ends", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const { log, note } = logger()
      yield* herd.submit(task)
      yield* herd.submit(note("accepted"))
      const stopping = yield* start(herd.stop({ drain: "1 minute" }))
      const refused = yield* Effect.flip(herd.submit(note("refused")))
      yield* open
      const report = yield* Fiber.join(stopping)

      assert.include(refused, { _tag: "HerdClosed", state: "draining" })
      assert.deepStrictEqual(log, ["accepted"])
      assert.include(report, { completed: 2, abandoned: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("10,000 submitters that race with stop are each run or refused", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let ran = 0
      const submitters = yield* Effect.forEach(
        Array.from({ length: 10_000 }, (_, n) => n),
        (n) =>
          Effect.forkChild(
            Effect.andThen(
              Effect.replicateEffect(Effect.yieldNow, n % 50),
              Effect.exit(herd.run(Effect.sync(() => ran++)))
            )
          )
      )
      yield* Effect.replicateEffect(Effect.yieldNow, 25)
      yield* herd.stop({ drain: "1 minute" })
      const exits = yield* Effect.forEach(submitters, Fiber.join)
      const succeeded = exits.filter(Exit.isSuccess).length
      const { tasks } = yield* herd.stats

      assert.deepStrictEqual([succeeded, tasks.succeeded, tasks.submitted], [ran, ran, ran])
      assert.strictEqual(tasks.rejected, 10_000 - ran)
      assert.strictEqual(ran > 0 && ran < 10_000, true)
    }).pipe(Effect.provide(bare({ workers: { max: 4 } })))
  )

  it.effect("stopping twice and at the same time gives one report", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.sleep("1 second"))
      const both = yield* start(
        Effect.all([herd.stop({ drain: "1 minute" }), herd.stop()], { concurrency: 2 })
      )
      yield* TestClock.adjust("1 second")
      const [first, second] = yield* Fiber.join(both)
      const third = yield* herd.stop()

      assert.deepStrictEqual(first, { completed: 1, interrupted: 0, abandoned: 0, leaked: 0 })
      assert.deepStrictEqual([second, third], [first, first])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("a task that interrupts itself ends interrupted and harms no other", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const exit = yield* Effect.exit(herd.run(Effect.interrupt))
      const { tasks, workers } = yield* herd.stats

      assert.strictEqual(Exit.hasInterrupts(exit), true)
      assert.deepStrictEqual([tasks.interrupted, workers.idle], [1, 1])
      assert.strictEqual(yield* herd.run(Effect.succeed("next")), "next")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

describe("pond: queue size", () => {
  it.effect("a full queue that rejects drops what comes without waiting", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const outcomes: Array<string> = []
      for (let n = 0; n < 12; n++) {
        const exit = yield* Effect.result(herd.submit(Effect.never))
        outcomes.push(exit._tag === "Success" ? "accepted" : exit.failure._tag)
      }
      const { tasks } = yield* herd.stats

      assert.deepStrictEqual(outcomes, [...Array.from({ length: 11 }, () => "accepted"), "QueueFull"])
      assert.deepStrictEqual([tasks.submitted, tasks.rejected], [11, 1])
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 10 } })))
  )

  it.effect("with no queue a submitter waits until a worker is idle", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const second = yield* start(herd.submit(Effect.succeed("second")))
      const { tasks } = yield* herd.stats
      const before = exitOf(second)
      yield* open
      const handle = yield* Fiber.join(second)

      assert.deepStrictEqual([before, tasks.queued, tasks.admitting], [undefined, 0, 1])
      assert.strictEqual(yield* handle.join, "second")
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 0 } })))
  )

  it.effect("with no queue that waits, offer succeeds only while a worker is idle", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const { open, task } = gate()
      const first = yield* herd.offer(task)
      const second = yield* Effect.flip(herd.offer(Effect.void))
      yield* open
      yield* first.join
      const third = yield* herd.offer(Effect.succeed("third"))

      assert.include(second, { _tag: "QueueFull", capacity: 0 })
      assert.strictEqual(yield* third.join, "third")
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 0 } })))
  )

  it.effect("a queue of one lets one submitter wait in it and the next in front of it", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const callers = yield* Effect.forEach([1, 2, 3], () => start(herd.run(task)))
      const { tasks } = yield* herd.stats
      yield* open
      yield* Effect.forEach(callers, Fiber.join)

      assert.deepStrictEqual([tasks.running, tasks.queued, tasks.admitting], [1, 1, 1])
      assert.strictEqual((yield* herd.stats).tasks.succeeded, 3)
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )

  it.effect("offer never waits even where submit would", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      yield* herd.submit(Effect.void)
      const full = yield* Effect.flip(herd.offer(Effect.void))
      const { tasks } = yield* herd.stats

      assert.include(full, { _tag: "QueueFull", capacity: 1 })
      assert.deepStrictEqual([tasks.rejected, tasks.admitting], [1, 0])
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )
})

describe("pond: resize", () => {
  it.effect("a herd grows and shrinks while it works, and loses nothing", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const busy = Effect.map(herd.stats, ({ workers }) => workers.busy)
      const all = yield* start(herd.runAll(Array.from({ length: 20 }, () => Effect.sleep("1 second"))))
      const sizes = [yield* busy]
      for (const size of [5, 3, 1]) {
        yield* herd.resize(size)
        yield* TestClock.adjust("1 second")
        sizes.push(yield* busy)
      }
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(all)

      assert.deepStrictEqual(sizes, [1, 5, 3, 1])
      assert.strictEqual((yield* herd.stats).tasks.succeeded, 20)
    }).pipe(Effect.provide(bare({ workers: { max: 5, initial: 1 } })))
  )

  it.effect.each([-1, 0.5, NaN, 6])("size %d is refused and changes nothing", (size) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const error = yield* Effect.flip(herd.resize(size))

      assert.include(error, { _tag: "InvalidConfig", field: "workers" })
      assert.strictEqual(yield* herd.target, 5)
    }).pipe(Effect.provide(bare({ workers: { max: 5 } })))
  )
})

describe("pond: groups", () => {
  it.effect("an empty group gives no results", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const none: ReadonlyArray<Effect.Effect<number>> = []

      assert.deepStrictEqual(yield* herd.runAll(none), [])
      assert.deepStrictEqual(yield* herd.runAll(none, { mode: "settle" }), [])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("an error in the last task is the group's error", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const tasks = [1, 2, 3, 4, 5].map((n) => (n === 5 ? Effect.fail("sample") : Effect.succeed(n)))

      assert.strictEqual(yield* Effect.flip(herd.runAll(tasks)), "sample")
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("of several errors the first to happen is the group's, and the rest is skipped", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const fail = (name: string, millis: number) =>
        Effect.sleep(millis).pipe(Effect.andThen(note(name)), Effect.andThen(Effect.fail(name)))
      const group = yield* start(
        Effect.flip(herd.runAll([fail("late", 20), fail("early", 10), fail("queued", 1)]))
      )
      yield* TestClock.adjust("1 second")

      assert.strictEqual(yield* Fiber.join(group), "early")
      assert.deepStrictEqual(log, ["early"])
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("a group that fails comes back when its running tasks have ended", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const cleanup = gate()
      const group = yield* start(
        Effect.exit(herd.runAll([Effect.ensuring(Effect.never, cleanup.task), Effect.fail("no")]))
      )
      yield* flush
      const before = exitOf(group)
      yield* cleanup.open
      yield* flush

      assert.strictEqual(before, undefined)
      assert.deepStrictEqual(yield* Fiber.join(group), Exit.fail("no"))
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("interrupting a group interrupts its running tasks and skips the others", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { seen, task } = gate()
      const group = yield* start(herd.runAll(Array.from({ length: 10 }, () => task)))
      yield* Fiber.interrupt(group)
      const { tasks } = yield* herd.stats

      assert.deepStrictEqual([seen.started, seen.interrupted], [3, 3])
      assert.deepStrictEqual([tasks.interrupted, tasks.running, tasks.queued], [10, 0, 0])
    }).pipe(Effect.provide(bare({ workers: { max: 3 } })))
  )

  it.effect("stopping the herd with a group in it settles every task of the group", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const group = yield* start(
        herd.runAll(
          Array.from({ length: 5 }, (_, n) => Effect.as(Effect.sleep("1 second"), n)),
          {
            mode: "settle"
          }
        )
      )
      const stopping = yield* start(herd.stop({ drain: "1500 millis" }))
      yield* TestClock.adjust("2 seconds")
      const exits = yield* Fiber.join(group)

      assert.deepStrictEqual(
        exits.map((exit) => (exit._tag === "Success" ? exit.value : "closed")),
        [0, 1, "closed", "closed", "closed"]
      )
      assert.deepStrictEqual(yield* Fiber.join(stopping), {
        completed: 2,
        interrupted: 2,
        abandoned: 1,
        leaked: 0
      })
    }).pipe(Effect.provide(bare({ workers: { max: 2 }, shutdown: { interrupt: "1 second" } })))
  )

  it.effect("two groups in one herd do not wait for each other's results", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const slow = yield* start(herd.runAll([task]))
      const fast = yield* herd.runAll([Effect.succeed(1), Effect.succeed(2)])
      const before = exitOf(slow)
      yield* open

      assert.deepStrictEqual([fast, before], [[1, 2], undefined])
      assert.deepStrictEqual(yield* Fiber.join(slow), [undefined])
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )
})

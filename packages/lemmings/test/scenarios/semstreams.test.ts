import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { HerdClosed, HerdConfig, HerdStats, QueueFull } from "../../src/index.ts"
import { Bare, bare, conserved, exitOf, flush, gate, start, Strict, strict } from "./support.ts"

const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)

describe("semstreams: pool", () => {
  it.effect("SS-01: workers and queue size are as given, and have defaults", () =>
    Effect.gen(function* () {
      const { queue, workers } = yield* (yield* Strict).stats
      const defaults = yield* HerdConfig.decode({})

      assert.deepStrictEqual([workers.size, queue.capacity], [5, 100])
      assert.deepStrictEqual([defaults.workers.max, defaults.queue.capacity], [16, Infinity])
    }).pipe(Effect.provide(strict({ workers: { max: 5 }, queue: { capacity: 100 } })))
  )

  it.effect("SS-03: five items are processed, and after the stop a submission is refused", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const processed: Array<number> = []
      for (const n of numbers(5)) yield* herd.offer(Effect.sync(() => processed.push(n)))
      yield* herd.awaitIdle
      yield* herd.stop()
      const refused = yield* Effect.flip(herd.offer(Effect.void))

      assert.deepStrictEqual(processed, [0, 1, 2, 3, 4])
      assert.strictEqual(refused._tag, "HerdClosed")
    }).pipe(Effect.provide(strict({ workers: { max: 2 }, queue: { capacity: 10 } })))
  )

  it.effect("SS-04: of five items one runs, two wait and two are dropped and counted", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const outcomes = yield* Effect.forEach(numbers(5), () =>
        Effect.map(Effect.result(herd.offer(Effect.sleep("200 millis"))), ({ _tag }) => _tag)
      )
      yield* TestClock.adjust("600 millis")
      const { tasks } = yield* herd.stats

      assert.deepStrictEqual(outcomes, ["Success", "Success", "Success", "Failure", "Failure"])
      assert.include(tasks, { submitted: 3, succeeded: 3, rejected: 2 })
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 2 } })))
  )

  it.effect("SS-05: of ten items half fail, and both halves are counted", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      for (const n of numbers(10)) yield* herd.offer(n % 2 === 0 ? Effect.void : Effect.fail("odd"))
      yield* herd.awaitIdle

      assert.include((yield* herd.stats).tasks, { submitted: 10, succeeded: 5, failed: 5 })
    }).pipe(Effect.provide(strict({ workers: { max: 2 }, queue: { capacity: 10 } })))
  )

  it.effect("SS-06: cancelling after 10 ms leaves a herd that still stops cleanly", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const callers = yield* Effect.forEach(numbers(5), () => start(herd.run(Effect.sleep("50 millis"))))
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interruptAll(callers)
      const report = yield* herd.stop({ drain: "1 minute" })

      assert.deepStrictEqual(report, { completed: 0, interrupted: 0, abandoned: 0, leaked: 0 })
      assert.include((yield* herd.stats).tasks, { interrupted: 5, succeeded: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("SS-07: ten submitters of ten items each have all 100 processed", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const processed = new Set<string>()
      const submitter = (who: number) =>
        Effect.forEach(numbers(10), (n) =>
          Effect.andThen(herd.offer(Effect.sync(() => processed.add(`${who}-${n}`))), Effect.yieldNow)
        )
      yield* Effect.forEach(numbers(10), submitter, { concurrency: "unbounded" })
      yield* herd.awaitIdle

      assert.strictEqual(processed.size, 100)
    }).pipe(Effect.provide(strict({ workers: { max: 5 }, queue: { capacity: 1000 } })))
  )

  it.effect("SS-08: the counts before, during and after the work agree, and encode as JSON", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const { open, task } = gate()
      const before = yield* herd.stats
      for (const _ of numbers(10)) yield* herd.offer(task)
      const during = yield* herd.stats
      yield* open
      yield* herd.awaitIdle
      const after = yield* herd.stats

      assert.deepStrictEqual(
        [before, during, after].map(({ queue, tasks, workers }) => [
          workers.size,
          queue.capacity,
          queue.depth,
          tasks.submitted,
          tasks.succeeded
        ]),
        [
          [3, 50, 0, 0, 0],
          [3, 50, 7, 10, 0],
          [3, 50, 0, 10, 10]
        ]
      )
      assert.strictEqual([before, during, after].every(conserved), true)
      const json: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(HerdStats)(during)))
      assert.deepStrictEqual(Schema.decodeUnknownSync(HerdStats)(json), during)
    }).pipe(Effect.provide(strict({ workers: { max: 3 }, queue: { capacity: 50 } })))
  )
})

describe("semstreams: errors", () => {
  it.effect("SS-11: a submission to a stopped herd fails with HerdClosed itself, unwrapped", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      yield* herd.stop()
      const error = yield* Effect.flip(herd.offer(Effect.void))

      assert.instanceOf(error, HerdClosed)
      assert.deepStrictEqual(error, new HerdClosed({ herd: "scenarios/Strict", state: "closed" }))
    }).pipe(Effect.provide(strict()))
  )

  it.effect("SS-12: a full queue fails with QueueFull itself, unwrapped", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      yield* herd.offer(Effect.never)
      yield* herd.offer(Effect.never)
      const error = yield* Effect.flip(herd.offer(Effect.void))

      assert.instanceOf(error, QueueFull)
      assert.deepStrictEqual(error, new QueueFull({ herd: "scenarios/Strict", capacity: 1 }))
    }).pipe(Effect.provide(strict({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )

  it.effect("SS-13: a stop of 50 ms with a job of 10 s is over at 50 ms and says what it interrupted", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      yield* herd.offer(Effect.sleep("10 seconds"))
      const stopping = yield* start(herd.stop({ drain: "50 millis" }))
      yield* TestClock.adjust("50 millis")

      assert.deepStrictEqual(
        exitOf(stopping),
        Exit.succeed({ completed: 0, interrupted: 1, abandoned: 0, leaked: 0 })
      )
    }).pipe(Effect.provide(strict()))
  )

  it.effect("SS-13: a job that heeds no interruption is reported as leaked when its time is over", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const handle = yield* herd.submit(Effect.uninterruptible(Effect.sleep("10 seconds")))
      const stopping = yield* start(herd.stop({ drain: "50 millis", interrupt: "1 second" }))
      yield* TestClock.adjust("1050 millis")

      assert.deepStrictEqual(
        exitOf(stopping),
        Exit.succeed({ completed: 0, interrupted: 1, abandoned: 0, leaked: 1 })
      )
      assert.strictEqual((yield* Effect.flip(handle.join))._tag, "HerdClosed")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(conserved(yield* herd.stats), true)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("SS-15: a task's own error is not wrapped either", () =>
    Effect.gen(function* () {
      const own = new Error("own")

      assert.strictEqual(yield* Effect.flip(Strict.run(Effect.fail(own))), own)
    }).pipe(Effect.provide(strict()))
  )
})

describe("semstreams: programs", () => {
  it.effect("SS-16: the stop waits for work in flight and returns when it is released", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const { open, task } = gate()
      yield* herd.offer(task)
      const stopping = yield* start(herd.stop({ drain: "5 seconds" }))
      yield* TestClock.adjust("100 millis")
      const at100 = exitOf(stopping)
      yield* open
      yield* flush

      assert.strictEqual(at100, undefined)
      assert.include(yield* Fiber.join(stopping), { completed: 1, interrupted: 0 })
    }).pipe(Effect.provide(strict()))
  )

  it.effect("SS-17: five submitted items show as five processed and none failed", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      for (const _ of numbers(5)) yield* herd.offer(Effect.sleep("10 millis"))
      const stopping = yield* start(herd.stop({ drain: "5 seconds" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)

      assert.include((yield* herd.stats).tasks, { submitted: 5, succeeded: 5, failed: 0 })
    }).pipe(Effect.provide(strict({ workers: { max: 2 }, queue: { capacity: 100 } })))
  )

  it.effect("SS-E1: a pipeline takes telemetry, commands and status, and passes over unknown kinds", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      const handled = new Map<string, number>()
      const kinds = ["telemetry", "command", "status", "unknown"]
      const handle = (kind: string) =>
        kind === "unknown"
          ? Effect.void
          : Effect.andThen(
              Effect.sleep("5 millis"),
              Effect.sync(() => handled.set(kind, (handled.get(kind) ?? 0) + 1))
            )
      for (const n of numbers(400)) {
        const kind = kinds[n % kinds.length] ?? ""
        yield* herd.offer(handle(kind), { label: kind })
      }
      yield* TestClock.adjust("1 second")

      assert.deepStrictEqual(
        [...handled].toSorted(([a], [b]) => a.localeCompare(b)),
        [
          ["command", 100],
          ["status", 100],
          ["telemetry", 100]
        ]
      )
      assert.include((yield* herd.stats).tasks, { succeeded: 400, failed: 0, rejected: 0 })
    }).pipe(Effect.provide(strict({ workers: { max: 8 }, queue: { capacity: 2000 } })))
  )

  it.effect(
    "SS-E2: ten jobs of 50 to 150 records are processed, and one that is cancelled stops at a record",
    () =>
      Effect.gen(function* () {
        const herd = yield* Strict
        let records = 0
        const record = Effect.andThen(
          Effect.sleep("1 millis"),
          Effect.sync(() => records++)
        )
        const handles = yield* Effect.forEach(numbers(10), (n) =>
          herd.offer(Effect.forEach(numbers(50 + ((n * 37) % 101)), () => record, { discard: true }))
        )
        yield* TestClock.adjust("20 millis")
        const cancelled = handles[0]
        if (cancelled !== undefined) yield* cancelled.interrupt
        yield* TestClock.adjust("1 second")
        const { tasks } = yield* herd.stats
        const complete = numbers(10).reduce((sum, n) => sum + 50 + ((n * 37) % 101), 0)

        assert.include(tasks, { succeeded: 9, interrupted: 1, queued: 0, running: 0 })
        assert.strictEqual(records, complete - 50 + 20)
      }).pipe(Effect.provide(strict({ workers: { max: 4 }, queue: { capacity: 50 } })))
  )
})

describe("semstreams: regressions", () => {
  it.effect("SS-R: while metrics are read from outside a stop still succeeds", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      yield* start(Effect.forever(Effect.andThen(herd.metrics, Effect.sleep("1 second"))))
      yield* herd.offer(Effect.sleep("1500 millis"))
      const stopping = yield* start(herd.stop({ drain: "5 seconds" }))
      yield* TestClock.adjust("1500 millis")

      assert.deepStrictEqual(
        exitOf(stopping),
        Exit.succeed({ completed: 1, interrupted: 0, abandoned: 0, leaked: 0 })
      )
    }).pipe(Effect.provide(strict()))
  )

  it.effect("SS-R: after a stop that ran out of time further calls give values or typed errors", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      yield* herd.offer(Effect.uninterruptible(Effect.sleep("10 seconds")))
      const stopping = yield* start(herd.stop({ drain: "50 millis" }))
      yield* TestClock.adjust("50 millis")
      const report = yield* Fiber.join(stopping)

      assert.strictEqual(report.leaked, 1)
      assert.deepStrictEqual(yield* herd.stop(), report)
      assert.strictEqual((yield* Effect.flip(herd.offer(Effect.void)))._tag, "HerdClosed")
      assert.strictEqual((yield* Effect.flip(herd.run(Effect.void)))._tag, "HerdClosed")
    }).pipe(Effect.provide(strict()))
  )

  it.effect("SS-R: offer answers at once while the herd stops", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      yield* herd.offer(Effect.never)
      yield* start(herd.stop({ drain: "1 hour" }))
      const offering = yield* start(Effect.flip(herd.offer(Effect.void)))
      const answer = exitOf(offering)
      yield* herd.kill

      assert.strictEqual(answer?._tag === "Success" ? answer.value._tag : answer, "HerdClosed")
    }).pipe(Effect.provide(strict()))
  )

  it.effect("SS-R: items that a kill leaves behind are accounted for", () =>
    Effect.gen(function* () {
      const herd = yield* Strict
      for (const _ of numbers(7)) yield* herd.offer(Effect.never)
      const report = yield* herd.kill
      const stats = yield* herd.stats

      assert.deepStrictEqual(report, { completed: 0, interrupted: 2, abandoned: 5, leaked: 0 })
      assert.include(stats.tasks, { submitted: 7, queued: 0, running: 0, shed: 5 })
      assert.strictEqual(conserved(stats), true)
    }).pipe(Effect.provide(strict({ workers: { max: 2 }, queue: { capacity: 10 } })))
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Herd, HerdRegistry, type TaskPage } from "../../src/index.ts"
import { fork, start } from "../promises/support.ts"

const ids = (page: TaskPage) => page.tasks.map(({ id }) => id)

describe("Herd.tasks", () => {
  it.effect("shows running ones, longest first, then those in line in order, then delayed ones", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 2 } })
      yield* fork(
        Effect.exit(herd.run(Effect.fail("own"), { id: "again", retry: Schedule.spaced("1 hour") }))
      )
      yield* fork(herd.run(Effect.never, { id: "slow", label: "report", key: "tenant-1" }))
      yield* TestClock.adjust(1000)
      yield* fork(herd.run(Effect.never, { id: "late" }))
      yield* fork(herd.run(Effect.void, { id: "low", priority: "low" }))
      yield* fork(herd.run(Effect.void, { id: "high", priority: "high" }))
      yield* TestClock.adjust(500)

      const all = yield* herd.tasks()
      assert.deepStrictEqual(ids(all), ["slow", "late", "high", "low", "again"])
      assert.strictEqual(all.total, 5)
      assert.deepStrictEqual(all.tasks[0], {
        id: "slow",
        label: "report",
        key: "tenant-1",
        priority: 5,
        status: "running",
        attempt: 1,
        ageMillis: 1500,
        runMillis: 1500,
        workerId: 2
      })
      assert.deepStrictEqual(all.tasks[2], {
        id: "high",
        priority: 10,
        status: "queued",
        attempt: 0,
        ageMillis: 500
      })
      assert.deepStrictEqual(all.tasks[4], {
        id: "again",
        priority: 5,
        status: "delayed",
        attempt: 1,
        ageMillis: 1500
      })
      assert.deepStrictEqual(ids(yield* herd.tasks({ status: "queued" })), ["high", "low"])
      assert.deepStrictEqual(ids(yield* herd.tasks({ status: "delayed" })), ["again"])
    })
  )

  const page = {
    offset: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 16 })),
    limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 16 }))
  }
  it.effect.prop(
    "every page is the slice of the whole list, batches and single tasks alike",
    page,
    (options) =>
      Effect.gen(function* () {
        const herd = yield* start({ workers: { max: 2 }, queue: { ageing: "never" } })
        yield* fork(herd.runAll([Effect.never, Effect.never, Effect.void, Effect.void, Effect.void]))
        yield* fork(herd.run(Effect.void, { id: "urgent", priority: "high" }))
        yield* fork(herd.runAll([Effect.void, Effect.void, Effect.void], { priority: "low" }))
        const whole = yield* herd.tasks()
        assert.strictEqual(whole.total, 9)
        assert.strictEqual(whole.tasks.length, 9)
        assert.strictEqual(whole.tasks[2]?.id, "urgent")
        const some = yield* herd.tasks(options)
        assert.deepStrictEqual(some.tasks, whole.tasks.slice(options.offset, options.offset + options.limit))
        assert.strictEqual(some.total, 9)
      })
  )

  it.effect("refuses a page that is out of range", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      for (const options of [
        { offset: -1 },
        { offset: 10_001 },
        { limit: 0 },
        { limit: 1001 },
        { limit: 1.5 }
      ]) {
        const error = yield* Effect.flip(herd.tasks(options))
        assert.strictEqual(error._tag, "InvalidConfig")
        assert.strictEqual(error.field, Object.keys(options)[0])
      }
    })
  )

  it.effect("levels count what waits, and estimate when it is much", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      yield* fork(herd.run(Effect.never))
      for (let n = 0; n < 3; n++) yield* herd.submit(Effect.void, { priority: "high" })
      yield* herd.submit(Effect.void, { priority: -4 })
      yield* fork(herd.runAll(Array.from({ length: 20_000 }, () => Effect.void)))
      assert.deepStrictEqual(yield* herd.levels, {
        estimated: false,
        levels: [
          { priority: 10, tasks: 3 },
          { priority: 5, tasks: 20_000 },
          { priority: -4, tasks: 1 }
        ]
      })
      for (let n = 0; n < 30_000; n++) yield* herd.submit(Effect.void, { priority: n % 3 })
      const many = yield* herd.levels
      assert.isTrue(many.estimated)
      for (const { priority, tasks } of many.levels) {
        if (priority >= 0 && priority < 3) assert.approximately(tasks, 10_000, 1500)
      }
      const total = many.levels.reduce((sum, { tasks }) => sum + tasks, 0)
      assert.approximately(total, 50_004, 5)
    })
  )
})

describe("Herd.interruptTask", () => {
  it.effect("ends a running, a waiting and a delayed task, and knows no other", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const delayed = yield* herd.submit(Effect.fail("own"), { id: "d", retry: Schedule.spaced("1 hour") })
      const running = yield* herd.submit(Effect.never, { id: "r" })
      const waiting = yield* herd.submit(Effect.void, { id: "w" })
      const next = yield* herd.submit(Effect.void, { id: "n" })
      for (const id of ["w", "r", "d"]) assert.isTrue(yield* herd.interruptTask(id), id)
      for (const handle of [delayed, running, waiting]) {
        const exit = yield* handle.await
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), handle.id)
      }
      yield* next.join
      for (const id of ["w", "r", "d", "n", "", "1", "nobody"])
        assert.isFalse(yield* herd.interruptTask(id), id)
      const { tasks } = yield* herd.stats
      assert.deepInclude(tasks, {
        submitted: 4,
        interrupted: 3,
        succeeded: 1,
        queued: 0,
        running: 0,
        delayed: 0
      })
    })
  )

  const positions = {
    picks: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))).check(
      Schema.isMaxLength(6)
    )
  }
  it.effect.prop("takes any tasks out of the middle of a batch, and the others run", positions, ({ picks }) =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const gate = yield* herd.submit(Effect.never)
      const ran: Array<number> = []
      const all = yield* Effect.forkChild(
        herd.runAll(
          Array.from({ length: 10 }, (_, n) => Effect.sync(() => ran.push(n))),
          { mode: "settle" }
        ),
        { startImmediately: true }
      )
      const first = (yield* herd.tasks({ status: "queued" })).tasks.map(({ id }) => id)
      assert.strictEqual(first.length, 10)
      const gone = new Set<number>()
      for (const pick of picks) {
        assert.strictEqual(yield* herd.interruptTask(first[pick] ?? ""), !gone.has(pick))
        gone.add(pick)
        const left = first.filter((_, n) => !gone.has(n))
        assert.deepStrictEqual(ids(yield* herd.tasks({ status: "queued" })), left)
      }
      yield* gate.interrupt
      const exits = yield* Fiber.join(all)
      const kept = Array.from({ length: 10 }, (_, n) => n).filter((n) => !gone.has(n))
      assert.deepStrictEqual(ran, kept)
      assert.deepStrictEqual(
        exits.map((exit) => Exit.isSuccess(exit)),
        Array.from({ length: 10 }, (_, n) => !gone.has(n))
      )
      const { tasks } = yield* herd.stats
      assert.deepInclude(tasks, {
        submitted: 11,
        succeeded: kept.length,
        interrupted: gone.size + 1,
        queued: 0
      })
    })
  )

  it.effect(
    "a batch that was cut ends whole when its caller is interrupted, and when the herd is killed",
    () =>
      Effect.gen(function* () {
        for (const end of ["caller", "kill"]) {
          const herd = yield* start({ workers: { max: 1 } })
          yield* herd.submit(Effect.never)
          const all = yield* fork(herd.runAll(Array.from({ length: 10 }, () => Effect.void)))
          const waiting = ids(yield* herd.tasks({ status: "queued" }))
          // Settled by failing fast: the rest goes with it.
          if (end === "caller") {
            yield* herd.interruptTask(waiting[4] ?? "")
            assert.isTrue(Exit.isFailure(yield* Fiber.await(all)))
            assert.strictEqual((yield* herd.stats).tasks.queued, 0)
            assert.strictEqual((yield* herd.stats).tasks.interrupted, 10)
          } else {
            const settled = yield* fork(
              herd.runAll([Effect.void, Effect.void, Effect.void], { mode: "settle" })
            )
            const more = ids(yield* herd.tasks({ status: "queued" }))
            yield* herd.interruptTask(more[11] ?? "")
            const report = yield* herd.kill
            assert.strictEqual(report.abandoned, 12)
            assert.strictEqual((yield* Fiber.join(settled)).length, 3)
          }
        }
      })
  )
})

describe("Herd.failures", () => {
  it.effect("keeps the last 50, with what kind they were and whether another attempt follows", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      yield* Effect.exit(
        herd.run(Effect.fail("own"), { id: "f", label: "l", key: "k", retry: Schedule.recurs(1) })
      )
      yield* Effect.exit(herd.run(Effect.die("defect"), { id: "d" }))
      const slow = yield* herd.submit(Effect.never, { id: "t", timeout: 10 })
      const behind = yield* herd.submit(Effect.void, { id: "q", deadline: 5 })
      const wait = yield* herd.submit(Effect.void, { id: "a", acquireTimeout: 6 })
      yield* TestClock.adjust(10)
      yield* Effect.all([slow.await, behind.await, wait.await])
      const interrupted = yield* herd.submit(Effect.never)
      yield* interrupted.interrupt
      const seen = yield* herd.failures
      assert.deepStrictEqual(
        seen.map(({ again, attempt, id, kind }) => [id, kind, attempt, again]),
        [
          ["f", "failure", 1, true],
          ["f", "failure", 2, false],
          ["d", "defect", 1, false],
          ["q", "deadline", 0, false],
          ["a", "acquireTimeout", 0, false],
          ["t", "timeout", 1, false]
        ]
      )
      assert.deepInclude(seen[0], { label: "l", key: "k", priority: 5, at: 0 })
      for (let n = 0; n < 60; n++) yield* Effect.exit(herd.run(Effect.fail(n), { id: `n${n}` }))
      const last = yield* herd.failures
      assert.strictEqual(last.length, 50)
      assert.strictEqual(last[49]?.id, "n59")
    })
  )
})

describe("HerdRegistry", () => {
  class Other extends Herd.Service<Other>()("test/Other") {}

  it.effect("knows every herd while its layer is there, and gives a second of the same name another", () =>
    Effect.gen(function* () {
      const registry = HerdRegistry.make()
      const names = () => [...registry.herds().keys()]
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* start()
          yield* start()
          assert.deepStrictEqual(names(), ["lemmings/Lemmings", "lemmings/Lemmings#2"])
          yield* Effect.provide(
            Effect.gen(function* () {
              yield* Other.run(Effect.void)
              assert.strictEqual(names().length, 3)
              assert.strictEqual((yield* registry.herds().get("test/Other")!.stats).tasks.succeeded, 1)
            }),
            Other.layer()
          )
          assert.strictEqual(names().length, 2)
        })
      ).pipe(Effect.provideService(HerdRegistry.HerdRegistry, registry))
      assert.deepStrictEqual(names(), [])
    })
  )

  it.effect("a herd that drains at the end of its scope can still be seen", () =>
    Effect.gen(function* () {
      const registry = HerdRegistry.make()
      const done = yield* Effect.scoped(
        Effect.gen(function* () {
          const herd = yield* start({ shutdown: { drain: "1 second" } })
          return yield* herd.submit(
            Effect.tap(Effect.yieldNow, () =>
              Effect.map(registry.herds().get("lemmings/Lemmings")!.stats, ({ state }) =>
                assert.strictEqual(state, "draining")
              )
            )
          )
        })
      ).pipe(Effect.provideService(HerdRegistry.HerdRegistry, registry))
      yield* done.join
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { conserved, fork, settled, start } from "./support.ts"

describe("promise 3: queued means cancellable", () => {
  it.effect("interrupting a queued caller removes its task, which never starts", () =>
    Effect.gen(function* () {
      let ran = 0
      const herd = yield* start({ workers: { max: 1 } })
      const blocker = yield* fork(herd.run(Effect.sleep(100)))
      const queued = yield* Effect.forEach([1, 2, 3], () => fork(herd.run(Effect.sync(() => ran++))))
      assert.strictEqual((yield* herd.stats).tasks.queued, 3)

      yield* Fiber.interruptAll(queued)
      const { tasks, workers } = yield* herd.stats
      assert.strictEqual(tasks.queued, 0)
      assert.strictEqual(tasks.interrupted, 3)
      assert.strictEqual(workers.busy, 1)
      yield* TestClock.adjust(100)

      yield* Fiber.join(blocker)
      assert.strictEqual(ran, 0)
    })
  )

  it.effect("interrupting a handle that waits or is delayed ends it at once and starts nothing", () =>
    Effect.gen(function* () {
      let ran = 0
      const herd = yield* start({ workers: { max: 1 } })
      const failing = Effect.suspend(() => Effect.fail(ran++))
      const delayed = yield* herd.submit(failing, { retry: Schedule.spaced(50) })
      yield* herd.submit(Effect.sleep(1000))
      const queued = yield* herd.submit(Effect.sync(() => ran++))
      assert.deepStrictEqual([yield* delayed.status, yield* queued.status], ["delayed", "queued"])

      yield* delayed.interrupt
      yield* queued.interrupt
      yield* TestClock.adjust(2000)

      assert.deepStrictEqual([yield* delayed.status, yield* queued.status], ["interrupted", "interrupted"])
      assert.strictEqual(ran, 1)
      assert.strictEqual(yield* queued.attempts, 0)
    })
  )

  it.effect("an interrupted task gives its place in a full queue to who waits for room", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 }, queue: { capacity: 1 } })
      yield* fork(herd.run(Effect.sleep(100)))
      const queued = yield* fork(herd.run(Effect.void))
      const waiting = yield* fork(herd.submit(Effect.void))
      const leaver = yield* fork(herd.submit(Effect.void))
      assert.strictEqual((yield* herd.stats).tasks.admitting, 2)

      yield* Fiber.interrupt(leaver)
      assert.strictEqual((yield* herd.stats).tasks.admitting, 1)
      yield* Fiber.interrupt(queued)
      yield* settled

      assert.isDefined(waiting.pollUnsafe(), "accepted while the worker is still busy")
      const after = yield* herd.stats
      conserved(after)
      assert.deepStrictEqual([after.tasks.queued, after.tasks.admitting], [1, 0])
      assert.strictEqual(after.workers.busy, 1)
    })
  )

  it.effect("interrupting runAll removes its waiting tasks and interrupts its running ones", () =>
    Effect.gen(function* () {
      let started = 0
      const herd = yield* start({ workers: { max: 2 } })
      const task = Effect.andThen(
        Effect.sync(() => started++),
        Effect.never
      )
      const all = yield* fork(herd.runAll([task, task, task, task]))
      yield* settled

      yield* Fiber.interrupt(all)

      const { tasks, workers } = yield* herd.stats
      assert.strictEqual(started, 2)
      assert.deepStrictEqual([tasks.queued, tasks.running, tasks.interrupted], [0, 0, 4])
      assert.strictEqual(workers.busy, 0)
    })
  )
})

// What a herd drops when it has more work than it can do, and what it does not try again.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { CurrentCriticality, SystemMetrics } from "../../src/index.ts"
import { fork, settled } from "../promises/support.ts"
import { flow } from "./support.ts"

describe("overload", () => {
  it.effect("with deadlines keeps its goodput at three times its capacity", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 } })
      let done = 0
      // 80 a second is what it can do; 240 come.
      for (let sent = 0; sent < 240 * 20; sent++) {
        yield* fork(
          Effect.exit(
            herd.run(
              Effect.andThen(
                Effect.sleep(100),
                Effect.sync(() => done++)
              ),
              { deadline: "1 second" }
            )
          )
        )
        if (sent % 12 === 11) yield* TestClock.adjust(50)
      }
      assert.isAtLeast(done / (80 * 20), 0.95)
    })
  )

  it.effect("sheds what has waited too long, per flow when fair: the flooder, and nobody else", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        queue: { order: "fair" },
        overload: { after: "2 seconds", maxWait: "500 millis" }
      })
      const shed = { flood: 0, calm: 0 }
      const waits = { flood: 0, calm: 0 }
      for (let turn = 0; turn < 200; turn++) {
        for (const [key, count] of [
          ["flood", 20],
          ["calm", 1]
        ] as const) {
          for (let left = count; left > 0; left--) {
            const asked = yield* Clock.currentTimeMillis
            yield* fork(
              herd
                .run(
                  Effect.flatMap(Clock.currentTimeMillis, (now) => {
                    waits[key] = Math.max(waits[key], turn > 100 ? now - asked : 0)
                    return Effect.sleep(100)
                  }),
                  { key }
                )
                .pipe(Effect.catchTag("TaskShed", () => Effect.sync(() => shed[key]++)))
            )
          }
        }
        yield* TestClock.adjust(100)
      }
      assert.strictEqual(shed.calm, 0)
      assert.isAbove(shed.flood, 1_000)
      assert.isAtMost(waits.calm, 200)
      assert.isAtMost(waits.flood, 500)
    })
  )

  it.effect("refuses sheddable tasks first; tasks of tasks inherit what was said", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 1 },
        queue: { capacity: 10 },
        overload: { after: "1 minute" }
      })
      const inner = yield* fork(
        herd.run(
          Effect.andThen(
            Effect.sleep(1_000),
            Effect.flip(herd.submit(Effect.void)).pipe(Effect.tap(() => CurrentCriticality))
          ),
          { criticality: "sheddable" }
        )
      )
      for (let left = 9; left > 0; left--)
        yield* fork(herd.submit(Effect.sleep(10_000), { criticality: "critical" }))
      yield* settled
      yield* TestClock.adjust(1_000)
      const error = yield* Fiber.join(inner)
      assert.deepInclude(error as object, { _tag: "TaskShed", reason: "overloaded" })
      assert.strictEqual((yield* herd.stats).tasks.rejected, 1)
    })
  )
})

describe("pressure of the process", () => {
  it.effect("refuses sheddable tasks first, then normal ones", () =>
    Effect.gen(function* () {
      let heapUsed = 1e8
      const herd = yield* flow({ overload: {} }).pipe(
        Effect.provide(SystemMetrics.layerFake(() => ({ heapUsed })))
      )
      const criticalities = ["sheddable", "normal", "critical"] as const
      const taken = Effect.forEach(criticalities, (criticality) =>
        Effect.map(Effect.exit(herd.run(Effect.void, { criticality })), Exit.isSuccess)
      )
      assert.deepStrictEqual(yield* taken, [true, true, true])
      heapUsed = 9.2e8
      assert.deepStrictEqual(yield* taken, [false, true, true])
      heapUsed = 9.8e8
      assert.deepStrictEqual(yield* taken, [false, false, true])
      heapUsed = 1e8
      assert.deepStrictEqual(yield* taken, [true, true, true])
    })
  )
})

describe("a retry budget", () => {
  it.effect("keeps attempts of a backend that is down at 1.2 times and 10 a second (tower)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 50 }, retryBudget: { ratio: 0.2, perSecond: 10 } })
      let attempts = 0
      const call = Effect.suspend(() => {
        attempts++
        return Effect.fail("down" as const)
      })
      let failed = 0
      for (let second = 0; second < 60; second++) {
        for (let left = 100; left > 0; left--)
          yield* fork(
            herd
              .run(call, { retry: Schedule.recurs(3) })
              .pipe(Effect.catch((error) => Effect.sync(() => error === "down" && failed++)))
          )
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(failed, 6_000)
      assert.isAtMost(attempts, 6_000 * 1.2 + 10 * 70)
      const { retried, retriesRefused } = (yield* herd.stats).tasks
      assert.strictEqual(retried + 6_000, attempts)
      assert.isAbove(retriesRefused, 0)
    })
  )
})

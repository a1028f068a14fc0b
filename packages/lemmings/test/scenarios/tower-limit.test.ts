import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { flow, strict } from "../flow/support.ts"
import { exitOf, start } from "./support.ts"

describe("tower: limit", () => {
  it.effect("a rate of one in 100 ms lets the second in after 100 ms", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, limits: { rate: { limit: 1, per: "100 millis" } } })
      yield* herd.run(Effect.void)
      const second = yield* start(herd.run(Clock.currentTimeMillis))
      yield* TestClock.adjust(99)
      assert.isUndefined(exitOf(second))
      yield* TestClock.adjust(2)
      assert.strictEqual(yield* Fiber.join(second), 100)
    })
  )

  it.effect("what was left of one period is not added to the next", () =>
    Effect.gen(function* () {
      const herd = yield* strict({
        workers: { max: 4 },
        limits: { rate: { limit: 3, per: "100 millis", window: "sliding" } }
      })
      yield* herd.run(Effect.void)
      yield* TestClock.adjust(100)
      for (let n = 0; n < 3; n++) yield* herd.run(Effect.void)
      assert.strictEqual((yield* Effect.flip(herd.run(Effect.void)))._tag, "RateLimited")
    })
  )

  it.effect(
    "a limit that is full is refused at once where nobody may wait, and wakes one waiter for each that ends",
    () =>
      Effect.gen(function* () {
        const herd = yield* flow({ workers: { max: 4 }, limits: { weight: 1 } })
        const first = yield* start(herd.run(Effect.never))
        const second = yield* start(herd.run(Effect.never))
        const third = yield* start(herd.run(Effect.succeed("third")))
        yield* Fiber.interrupt(first)
        assert.isUndefined(exitOf(third))
        yield* Fiber.interrupt(second)
        assert.strictEqual(yield* Fiber.join(third), "third")
      })
  )
})

describe("tower: retry budget", () => {
  const attemptsOf = (perSecond: number, ratio: number) =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 64 }, retryBudget: { ratio, perSecond } })
      let attempts = 0
      const call = Effect.suspend(() => {
        attempts++
        return Effect.fail("down")
      })
      const calls = (count: number) =>
        Effect.forEach(
          Array.from({ length: count }),
          () => Effect.exit(herd.run(call, { retry: Schedule.recurs(1) })),
          { concurrency: "unbounded" }
        )
      return { calls, attempts: () => attempts }
    })

  it.effect("without a reserve lets one retry for each ten that came", () =>
    Effect.gen(function* () {
      const { attempts, calls } = yield* attemptsOf(0, 0.1)
      yield* calls(9)
      assert.strictEqual(attempts(), 9)
      yield* calls(91)
      assert.strictEqual(attempts(), 110)
    })
  )

  it.effect("forgets what came more than ten seconds ago", () =>
    Effect.gen(function* () {
      const { attempts, calls } = yield* attemptsOf(0, 0.1)
      yield* calls(9)
      yield* TestClock.adjust("11 seconds")
      yield* calls(9)
      assert.strictEqual(attempts(), 18)
    })
  )

  it.effect("with a reserve lets so many a second more", () =>
    Effect.gen(function* () {
      const { attempts, calls } = yield* attemptsOf(5, 0.1)
      // The reserve of ten seconds, and a tenth.
      yield* calls(100)
      assert.strictEqual(attempts(), 100 + 50 + 10)
    })
  )
})

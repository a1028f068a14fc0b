import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import * as Time from "../../src/internal/Time.ts"
import * as Waits from "../../src/internal/Waits.ts"

describe("Time.backoff", () => {
  it.effect("doubles up to its longest, after failures that are counted and as a schedule", () =>
    Effect.gen(function* () {
      const { after, schedule } = Time.backoff(50, 2_000)
      const counted = [0, 1, 2, 3, 6, 7, 5_000].map(after)
      const step = yield* Time.stepping(schedule)
      const scheduled = []
      for (let i = 0; i < 7; i++) scheduled.push(yield* step(0, undefined))

      assert.deepStrictEqual(counted, [0, 50, 100, 200, 1_600, 2_000, 2_000])
      assert.deepStrictEqual(scheduled, [50, 100, 200, 400, 800, 1_600, 2_000])
    })
  )

  it.effect("a schedule that has ended has no next step", () =>
    Effect.gen(function* () {
      const step = yield* Time.stepping(Schedule.recurs(1))

      assert.deepStrictEqual([yield* step(0, undefined), yield* step(0, undefined)], [0, undefined])
    })
  )
})

describe("Waits", () => {
  it.effect("those go on for whom it holds when somebody says that it may", () =>
    Effect.gen(function* () {
      const waits = Waits.make()
      let n = 0
      const at = (least: number) =>
        Effect.forkChild(
          Effect.as(
            waits.until(() => n >= least),
            least
          ),
          { startImmediately: true }
        )
      const [now, one, two] = [yield* at(0), yield* at(1), yield* at(2)]
      const left = yield* at(1)
      yield* Fiber.interrupt(left)

      assert.strictEqual(yield* Fiber.join(now), 0)
      n = 1
      assert.isUndefined(one.pollUnsafe(), "nothing polls")
      waits.check()
      assert.strictEqual(yield* Fiber.join(one), 1)
      assert.isUndefined(two.pollUnsafe())
      n = 2
      waits.check()
      assert.strictEqual(yield* Fiber.join(two), 2)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Timers from "../../src/internal/Timers.ts"

/** Timers on the test clock, and how many sleep on it now. */
const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const asleep = { now: 0, ever: 0 }
  const counting: Clock.Clock = Object.assign({}, clock, {
    sleep: (duration: Duration.Duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          asleep.now++
          asleep.ever++
        }),
        () => clock.sleep(duration),
        () => Effect.sync(() => asleep.now--)
      )
  })
  return { timers: Timers.make(counting, yield* Effect.context()), asleep }
})

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 }))

describe("Timers", () => {
  it.effect.prop(
    "fire in order of their time and then of their making, each at its time, never when cancelled",
    {
      plan: Schema.Array(Schema.Struct({ at: Millis, cancelled: Schema.Boolean })).check(
        Schema.isMaxLength(40)
      )
    },
    ({ plan }) =>
      Effect.gen(function* () {
        const { asleep, timers } = yield* make
        const base = timers.now()
        const fired: Array<readonly [at: number, i: number]> = []
        const slots = plan.map(({ at }, i) =>
          timers.schedule(base + at, () => void fired.push([timers.now() - base, i]))
        )
        for (const [i, { cancelled }] of plan.entries()) if (cancelled) timers.cancel(slots[i] ?? -1)

        for (let step = 0; step < 202; step++) yield* TestClock.adjust(1)

        const expected = plan
          .flatMap(({ at, cancelled }, i) => (cancelled ? [] : [[Math.max(at, 1), i, at] as const]))
          .toSorted((a, b) => a[2] - b[2] || a[1] - b[1])
        assert.deepStrictEqual(
          fired,
          expected.map(([at, i]) => [at, i] as const)
        )
        assert.strictEqual(asleep.now, 0, "nobody sleeps without a timer")
      }),
    { arbitrary: { runs: 40 } }
  )

  it.effect("with no timer nobody sleeps, and with many only one does", () =>
    Effect.gen(function* () {
      const { asleep, timers } = yield* make
      assert.strictEqual(asleep.now, 0)
      for (let at = 500; at > 400; at--) timers.schedule(at, () => {})
      assert.strictEqual(asleep.now, 1)
      yield* TestClock.adjust(500)
      assert.strictEqual(asleep.now, 0)
    })
  )

  it.effect("a cancelled timer wakes nobody more than once", () =>
    Effect.gen(function* () {
      const { asleep, timers } = yield* make
      let fired = 0
      timers.cancel(timers.schedule(100, () => fired++))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual([fired, asleep.now, asleep.ever], [0, 0, 1])
    })
  )

  it.effect("a timer may set and cancel others while it fires", () =>
    Effect.gen(function* () {
      const { timers } = yield* make
      const fired: Array<string> = []
      let victim = -1
      timers.schedule(10, () => {
        fired.push("first")
        timers.cancel(victim)
        timers.schedule(timers.now() + 5, () => fired.push("set at 10"))
        timers.schedule(timers.now(), () => fired.push("at once"))
      })
      victim = timers.schedule(10, () => fired.push("cancelled"))
      yield* TestClock.adjust(15)
      assert.deepStrictEqual(fired, ["first", "at once", "set at 10"])
    })
  )

  it.effect("close leaves no sleeper, and nothing fires or sleeps afterwards", () =>
    Effect.gen(function* () {
      const { asleep, timers } = yield* make
      let fired = 0
      timers.schedule(10, () => fired++)
      timers.close()
      assert.strictEqual(asleep.now, 0)
      timers.schedule(20, () => fired++)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual([fired, asleep.now, asleep.ever], [0, 0, 1])
    })
  )

  it.effect("fractions of a millisecond fire after their time, not before", () =>
    Effect.gen(function* () {
      const { timers } = yield* make
      let fired = 0
      timers.schedule(10.25, () => fired++)
      yield* TestClock.adjust(10)
      assert.strictEqual(fired, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(fired, 1)
    })
  )
})

// How long a thread is waited for, where this process does not get its turn.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Patience from "../../src/herd/Patience.ts"

/** Waits with a clock whose every sleep ends so much too late. */
const waiting = (millis: number, limit: number, lateMillis: number) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const late: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, {
      sleep: (duration: Parameters<Clock.Clock["sleep"]>[0]) =>
        Effect.andThen(
          clock.sleep(duration),
          lateMillis === 0 ? Effect.void : Effect.provideService(Effect.sleep(lateMillis), Clock.Clock, clock)
        )
    })
    const ends = Effect.provideService(Effect.as(Effect.sleep(millis), "ended"), Clock.Clock, clock)
    const fiber = yield* Effect.forkChild(
      Effect.provideService(Patience.within(ends, limit), Clock.Clock, late)
    )
    // Step by step: each part begins when the one before it has ended.
    for (let i = 0; i < 2200; i++) yield* TestClock.adjust(1)
    yield* TestClock.adjust("1 hour")
    return Option.getOrUndefined(yield* Fiber.join(fiber))
  })

describe("within", () => {
  it.effect("waits as long as the limit", () =>
    Effect.gen(function* () {
      for (const limit of [1, 5, 100, 999.5]) {
        assert.strictEqual(yield* waiting(limit - 0.5, limit, 0), "ended", String(limit))
        assert.isUndefined(yield* waiting(limit + 0.5, limit, 0), String(limit))
      }
      assert.isUndefined(yield* waiting(1, 0, 0))
      assert.strictEqual(yield* waiting(1_000_000, Infinity, 0), "ended")
    })
  )

  it.effect("longer where we come too late ourselves, and not for ever", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* waiting(400, 100, 50), "ended")
      assert.isUndefined(yield* waiting(2000, 100, 50))
    })
  )

  it.effect("is interrupted, and hears a failure", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Patience.within(Effect.never, 100))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Effect.flip(Patience.within(Effect.fail("no"), 100)), "no")
    })
  )
})

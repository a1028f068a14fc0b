import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { HerdEvent } from "../../src/index.ts"
import { listen, settled, start } from "./support.ts"

/** A day with a task each minute: some slow, some failing, some urgent, and a resize each hour. */
const day = Effect.gen(function* () {
  const herd = yield* start({ workers: { max: 4, initial: 2 }, queue: { ageing: "1 minute" } })
  const events = yield* listen(herd)
  const minutes = Array.from({ length: 24 * 60 }, (_, i) => i)
  yield* Stream.fromIterable(minutes).pipe(
    Stream.schedule(Schedule.spaced("1 minute")),
    Stream.runForEach((minute) =>
      Effect.gen(function* () {
        if (minute % 60 === 0) yield* herd.resize(1 + ((minute / 60) % 4))
        const task =
          minute % 7 === 0
            ? Effect.andThen(Effect.sleep("30 seconds"), Effect.fail(minute))
            : Effect.sleep(`${minute % 120} seconds`)
        yield* herd.submit(task, {
          priority: minute % 5,
          timeout: "100 seconds",
          retry: Schedule.spaced("10 minutes").pipe(Schedule.upTo({ times: 2 }))
        })
      })
    ),
    Effect.forkChild({ startImmediately: true })
  )
  yield* TestClock.adjust("26 hours")
  yield* settled
  const { tasks } = yield* herd.stats
  return { events, tasks }
}).pipe(Effect.scoped)

describe("promise 11: time is a service", () => {
  it.effect("a day of a herd takes no real time to speak of, and is the same event for event twice", () =>
    Effect.gen(function* () {
      const began = performance.now()
      const first = yield* day
      const second = yield* Effect.provide(day, TestClock.layer(), { local: true })
      const realMillis = performance.now() - began

      assert.strictEqual(first.tasks.submitted, 1440)
      assert.strictEqual(first.tasks.succeeded + first.tasks.failed, 1440)
      assert.isAbove(first.events.length, 1440 * 3)
      assert.isAbove(Math.max(...first.events.map(({ at }: HerdEvent) => at)), 24 * 3600 * 1000)
      assert.deepStrictEqual(second, first)
      // A generous limit: two days in less than two real minutes on any machine. It takes about a second.
      assert.isBelow(realMillis, 120_000)
    })
  )

  it.effect("an idle herd sleeps for nobody: nothing polls", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let sleeps = 0
      const counting: Clock.Clock = Object.assign({}, clock, {
        sleep: (duration: Duration.Duration) => {
          sleeps++
          return clock.sleep(duration)
        }
      })
      const herd = yield* Effect.provideService(
        start({ workers: { min: 1, max: 4 }, spares: 2, window: "1 second" }),
        Clock.Clock,
        counting
      )
      yield* herd.pause
      yield* herd.submit(Effect.void)

      yield* TestClock.adjust("1 day")
      assert.strictEqual(sleeps, 0)
      yield* herd.resume
      yield* herd.awaitIdle
      yield* TestClock.adjust("1 day")
      assert.strictEqual(sleeps, 0)

      yield* herd.submit(Effect.never, { timeout: "1 minute" })
      yield* TestClock.adjust("1 day")
      assert.strictEqual(sleeps, 1, "one sleep for one limit")
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { flow, strict } from "../flow/support.ts"
import { start } from "./support.ts"

const each = <A>(count: number, f: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => f(i))
const at = Clock.currentTimeMillis
const rate = { limit: 1, per: "250 millis" } as const

describe("resilience4j: rate limiter", () => {
  it.effect("grants once a period, refuses within it, and says how long to wait", () =>
    Effect.gen(function* () {
      const herd = yield* strict({ workers: { max: 8 }, limits: { rate } })
      yield* herd.run(Effect.void)
      const error = yield* Effect.flip(herd.run(Effect.void))
      assert.closeTo(error._tag === "RateLimited" ? error.retryAfterMillis : 0, 250, 0.1)
      yield* TestClock.adjust(250)
      yield* herd.run(Effect.void)
      assert.strictEqual((yield* Effect.flip(herd.run(Effect.void)))._tag, "RateLimited")
    })
  )

  it.effect("saves nothing up over periods in which nobody came", () =>
    Effect.gen(function* () {
      const herd = yield* strict({ workers: { max: 8 }, limits: { rate } })
      yield* TestClock.adjust("1 hour")
      yield* herd.run(Effect.void)
      assert.strictEqual((yield* Effect.flip(herd.run(Effect.void)))._tag, "RateLimited")
    })
  )

  it.effect("lets one wait for the next period, and one whose time is too short take nothing", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { rate } })
      yield* herd.run(Effect.void)
      const first = yield* start(herd.run(at))
      const short = yield* start(Effect.exit(herd.run(at, { acquireTimeout: 250 })))
      const second = yield* start(herd.run(at))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(short)))
      // The one that gave up has cost the one behind it nothing.
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [250, 500])
    })
  )

  it.effect("follows a limit that changes while callers wait", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { rate: { limit: 1, per: "1 hour" } } })
      yield* herd.run(Effect.void)
      const waits = yield* start(herd.runAll(each(4, () => at)))
      yield* TestClock.adjust("1 second")
      yield* herd.setLimits({ rate: { limit: 4, per: "1 second", burst: 1 } })
      yield* TestClock.adjust("5 seconds")
      const times = yield* Fiber.join(waits)
      for (let n = 1; n < times.length; n++) assert.isAtLeast(times[n]! - times[n - 1]!, 249)
    })
  )

  it.effect("takes several at once by weight, and refuses more than it ever grants", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { rate: { limit: 5, per: "1 second" } } })
      yield* herd.run(Effect.void, { weight: 5 })
      const next = yield* start(herd.run(at, { weight: 3 }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(next), 600)
      const exit = yield* Effect.exit(herd.run(Effect.void, { weight: 6 }))
      assert.include(String(Exit.isFailure(exit) && exit.cause), "weight must be at most 5")
    })
  )
})

describe("resilience4j: bulkhead", () => {
  it.effect("frees its place when a call fails, dies or is interrupted", () =>
    Effect.gen(function* () {
      const herd = yield* strict({ workers: { max: 8 }, limits: { perKey: { concurrency: 1 } } })
      yield* Effect.exit(herd.run(Effect.fail("no"), { key: "a" }))
      yield* Effect.exit(herd.run(Effect.die("no"), { key: "a" }))
      const running = yield* start(herd.run(Effect.never, { key: "a" }))
      assert.strictEqual((yield* Effect.flip(herd.run(Effect.void, { key: "a" })))._tag, "RateLimited")
      yield* Fiber.interrupt(running)
      yield* herd.run(Effect.void, { key: "a" })
    })
  )

  it.effect("serves those who wait in the order of their coming", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 1 } } })
      const order: Array<number> = []
      yield* start(
        Effect.forEach(
          each(20, (n) => n),
          (n) =>
            herd.run(
              Effect.andThen(
                Effect.sync(() => order.push(n)),
                Effect.sleep(10)
              ),
              { key: "a" }
            ),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        order,
        each(20, (n) => n)
      )
    })
  )

  it.effect("is one of its own for each name", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 2 } } })
      for (const key of ["a", "b"])
        yield* start(
          herd.runAll(
            each(5, () => Effect.sleep("1 second")),
            { key }
          )
        )
      const keys = (yield* herd.keys()).map(({ held, key, running }) => [key, running, held])
      assert.sameDeepMembers(keys, [
        ["a", 2, 3],
        ["b", 2, 3]
      ])
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { flow } from "../flow/support.ts"
import { start } from "./support.ts"

// One at a time, and at least 100 ms between two starts.
const spaced = { rate: { limit: 10, per: "1 second", burst: 1 } } as const

/** A list of what started, and when. */
const journal = () => {
  const started: Array<readonly [name: number, at: number]> = []
  const job = (name: number, millis = 0) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      started.push([name, now])
      return millis > 0 ? Effect.sleep(millis) : Effect.void
    })
  return { started, job, names: () => started.map(([name]) => name) }
}

describe("bottleneck: general", () => {
  it.effect("keeps the time between two starts, and lets priority choose", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 1 }, limits: spaced })
      const { job, started } = journal()
      yield* start(herd.run(job(1, 50)))
      for (const name of [2, 3, 4]) yield* start(herd.run(job(name)))
      yield* start(herd.run(job(5), { priority: "high" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(started, [
        [1, 0],
        [5, 100],
        [2, 200],
        [3, 300],
        [4, 400]
      ])
    })
  )

  it.effect("counts what waits, for a worker and for a limit", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, limits: { perKey: { concurrency: 1 } } })
      for (let n = 0; n < 3; n++) yield* start(herd.run(Effect.sleep(100), { key: "a" }))
      const { held, queued, ready, running } = (yield* herd.stats).tasks
      assert.deepStrictEqual([running, queued, held, ready], [1, 2, 2, 0])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* herd.stats).tasks.succeeded, 3)
    })
  )

  it.effect("weighs jobs: as much as fits runs, and a heavy one is not passed by", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { weight: 2 } })
      const { job, started } = journal()
      for (const [name, weight, millis] of [
        [1, 1, 100],
        [2, 2, 200],
        [3, 1, 100],
        [4, 1, 100]
      ] as const)
        yield* start(herd.run(job(name, millis), { weight }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(started, [
        [1, 0],
        [2, 100],
        [3, 300],
        [4, 300]
      ])
    })
  )

  it.effect("refuses a job that is heavier than the limit, and goes on", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { weight: 2 } })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(herd.run(Effect.void, { weight: 3 }))))
      yield* herd.run(Effect.void, { weight: 2 })
    })
  )
})

describe("bottleneck: group", () => {
  it.effect("gives each key limits of its own", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 1, ...spaced } } })
      const { job, names } = journal()
      for (const name of [1, 3, 4]) yield* start(herd.run(job(name, 50), { key: "A" }))
      yield* TestClock.adjust(20)
      yield* start(herd.run(job(5, 50), { key: "B" }))
      yield* TestClock.adjust(20)
      for (const name of [6, 7]) yield* start(herd.run(job(name, 50), { key: "C" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(names(), [1, 5, 6, 3, 7, 4])
    })
  )

  it.effect("an error of one key is its own", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 1, ...spaced } } })
      const { job, names } = journal()
      for (const name of [1, 2]) yield* start(herd.run(job(name, 50), { key: "A" }))
      assert.strictEqual(yield* Effect.flip(herd.run(Effect.fail("blew up"), { key: "B" })), "blew up")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(names(), [1, 2])
    })
  )

  it.effect("follows new settings for the keys that are there, too", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        limits: { perKey: { rate: { limit: 1, per: "1 hour" } } }
      })
      const { job, names } = journal()
      yield* herd.run(job(1), { key: "A" })
      yield* start(herd.run(job(2), { key: "A" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(names(), [1])
      yield* herd.setLimits({ perKey: { rate: { limit: 1, per: "1 second" } } })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(names(), [1, 2])
    })
  )

  it.effect("forgets a key that is no longer used, and not one that is", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        limits: { perKey: { rate: { limit: 1, per: "10 minutes" } } }
      })
      const seen: Array<number> = []
      const job = Effect.map(Clock.currentTimeMillis, (now) => seen.push(now))
      yield* herd.run(job, { key: "A" })
      // Longer than any time after which it would be forgotten by a timer, and within its rate.
      yield* TestClock.adjust("9 minutes")
      yield* herd.run(Effect.void, { key: "B" })
      yield* start(herd.run(job, { key: "A" }))
      yield* TestClock.adjust("20 minutes")
      assert.deepStrictEqual(seen, [0, 600_000])
      yield* herd.run(Effect.void)
      yield* herd.run(Effect.void)
      assert.deepStrictEqual(yield* herd.keys(), [])
    })
  )
})

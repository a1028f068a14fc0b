import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { flow, strict } from "../flow/support.ts"
import { flush, start } from "./support.ts"

const each = <A>(count: number, f: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => f(i))
const busy = Effect.sleep("1 second")

describe("concurrency-limits: a limit that refuses", () => {
  it.effect("takes as much as it may and refuses the rest at once", () =>
    Effect.gen(function* () {
      const herd = yield* strict({ workers: { max: 32 }, limits: { weight: 10 } })
      const running = yield* Effect.forEach(
        each(10, (n) => n),
        () => start(herd.run(busy))
      )
      const error = yield* Effect.flip(herd.run(Effect.void))
      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual((yield* herd.stats).tasks.running, 10)
      // One that ends lets one in.
      yield* Fiber.interrupt(running[0]!)
      yield* start(herd.run(busy))
      assert.strictEqual((yield* herd.stats).tasks.running, 10)
      assert.strictEqual((yield* Effect.flip(herd.run(Effect.void)))._tag, "RateLimited")
    })
  )

  it.effect("lets what passes it by through, and counts it", () =>
    Effect.gen(function* () {
      const herd = yield* strict({ workers: { max: 4 }, limits: { perKey: { concurrency: 2 } } })
      for (let n = 0; n < 2; n++) yield* start(herd.run(busy, { key: "live" }))
      for (let n = 0; n < 5; n++) {
        assert.strictEqual((yield* Effect.flip(herd.run(busy, { key: "live" })))._tag, "RateLimited")
        yield* start(herd.runNow(busy, { key: "live" }))
      }
      assert.deepInclude((yield* herd.keys())[0] as object, { key: "live", running: 7 })
    })
  )

  it.effect("of 100 callers in a loop lets no more than ten in, and loses none", () =>
    Effect.gen(function* () {
      const herd = yield* strict({ workers: { max: 64 }, limits: { weight: 10 } })
      let now = 0
      let most = 0
      let served = 0
      let refused = 0
      const work = Effect.acquireUseRelease(
        Effect.sync(() => (most = Math.max(most, ++now))),
        () => Effect.sleep(1),
        () => Effect.sync(() => now--)
      )
      const caller = Effect.forEach(
        each(50, (n) => n),
        () =>
          Effect.matchEffect(herd.run(work), {
            onSuccess: () => Effect.sync(() => served++),
            onFailure: () =>
              Effect.andThen(
                Effect.sync(() => refused++),
                Effect.sleep(1)
              )
          })
      )
      yield* start(
        Effect.all(
          each(100, () => caller),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(most, 10)
      assert.strictEqual(served + refused, 5_000)
      assert.isAbove(served, 0)
    })
  )
})

describe("concurrency-limits: partitions", () => {
  const shares = { batch: 3, live: 7 }
  const options = {
    workers: { max: 10 },
    queue: { order: "fair" },
    limits: { perKey: { share: (key: string) => shares[key as keyof typeof shares] } }
  } as const

  it.effect("get their shares while both want more", () =>
    Effect.gen(function* () {
      const herd = yield* flow(options)
      const done = { batch: 0, live: 0 }
      for (const key of ["batch", "live"] as const)
        yield* start(
          herd.runAll(
            each(500, () =>
              Effect.andThen(
                Effect.sleep(100),
                Effect.sync(() => done[key]++)
              )
            ),
            { key }
          )
        )
      yield* TestClock.adjust("5 seconds")
      assert.closeTo(done.batch / (done.batch + done.live), 0.3, 0.03)
    })
  )

  it.effect("use what the other leaves, up to the whole, and give it back when the other comes", () =>
    Effect.gen(function* () {
      const herd = yield* flow(options)
      const running = () =>
        Effect.map(herd.keys(), (keys) =>
          Object.fromEntries(keys.map(({ key = "", running }) => [key, running]))
        )
      yield* start(
        herd.runAll(
          each(500, () => Effect.sleep(100)),
          { key: "batch" }
        )
      )
      assert.deepStrictEqual(yield* running(), { batch: 10 })
      yield* start(
        herd.runAll(
          each(500, () => Effect.sleep(100)),
          { key: "live" }
        )
      )
      yield* TestClock.adjust("2 seconds")
      const { batch = 0, live = 0 } = yield* running()
      assert.strictEqual(batch + live, 10)
      assert.isTrue(live >= 6 && live <= 8, `${live} of ten`)
    })
  )
})

describe("concurrency-limits: a backlog, newest first", () => {
  it.effect("gives up after its time, and takes nothing when it does", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { weight: 4 } })
      for (let n = 0; n < 4; n++) yield* start(herd.run(Effect.sleep("10 seconds")))
      const late = yield* start(Effect.exit(herd.run(Effect.void, { acquireTimeout: "1 second" })))
      const behind = yield* start(herd.run(Clock.currentTimeMillis))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(late)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(behind), 10_000)
    })
  )

  it.effect("of a key is refused when it is full", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 4, queue: 10 } } })
      for (let n = 0; n < 14; n++) yield* start(herd.run(busy, { key: "a" }))
      const error = yield* Effect.flip(herd.offer(busy, { key: "a" }))
      assert.strictEqual(error._tag, "QueueFull")
      yield* herd.run(Effect.void, { key: "b" })
      assert.strictEqual((yield* herd.stats).tasks.queued, 10)
    })
  )

  it.effect("follows a limit that is raised, and one that is lowered", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { weight: 4 } })
      const first = yield* Effect.forEach(
        each(4, (n) => n),
        () => start(herd.run(busy))
      )
      const fifth = yield* start(herd.run(busy))
      assert.strictEqual((yield* herd.stats).tasks.running, 4)
      yield* herd.setLimits({ weight: 5 })
      assert.strictEqual((yield* herd.stats).tasks.running, 5)
      yield* herd.setLimits({ weight: 3 })
      yield* start(herd.run(Effect.void))
      yield* Fiber.interrupt(first[0]!)
      yield* Fiber.interrupt(first[1]!)
      assert.strictEqual((yield* herd.stats).tasks.queued, 1)
      yield* Fiber.interrupt(fifth)
      assert.strictEqual((yield* herd.stats).tasks.queued, 0)
    })
  )

  it.effect("starts the newest first while it is overloaded", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 1 },
        overload: { after: "1 second", maxWait: "1 minute", order: "newestFirst" }
      })
      const order: Array<number> = []
      yield* start(herd.run(Effect.sleep("2 seconds")))
      for (let n = 0; n < 5; n++) {
        yield* start(herd.run(Effect.sync(() => order.push(n))))
        yield* TestClock.adjust(50)
      }
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(order, [4, 3, 2, 1, 0])
    })
  )

  it.effect("loses no token where one is given as its waiter gives up", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { weight: 4 } })
      for (let n = 0; n < 3; n++) yield* start(herd.run(Effect.sleep("1 hour")))
      for (let round = 0; round < 10; round++) {
        yield* start(herd.run(Effect.sleep(10)))
        // All of them give up in the instant in which the token is free.
        for (let n = 0; n < 10; n++) yield* start(Effect.exit(herd.run(Effect.void, { acquireTimeout: 10 })))
        yield* TestClock.adjust(10)
        yield* flush
        assert.strictEqual((yield* herd.stats).tasks.running, 3)
      }
    })
  )
})

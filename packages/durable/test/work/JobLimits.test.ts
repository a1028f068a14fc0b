import { assert, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { JobStore } from "../../src/port/JobStore.ts"

const Work = Job.make("Work", { payload: Schema.Int })

/** Virtual time goes on, in steps that let fibers look around. */
const pass = (duration: Duration.Input) =>
  Effect.gen(function* () {
    for (let left = Duration.toMillis(duration); left > 0; left -= 50) yield* TestClock.adjust(50)
  })

/** The store, and how often it was asked for jobs. */
const counted = Effect.map(JobStore, (store) => {
  const asked = { claims: 0 }
  const claimWithin: typeof store.claimWithin = (...args) =>
    Effect.suspend(() => {
      asked.claims++
      return store.claimWithin(...args)
    })
  return { asked, store: Layer.succeed(JobStore, { ...store, claimWithin }) }
})

it.effect("a full queue is not asked again and again, and goes on as soon as a job ends", () =>
  Effect.gen(function* () {
    const { asked, store } = yield* counted
    let done = 0
    const handler = () =>
      Effect.andThen(
        Effect.sleep("10 seconds"),
        Effect.sync(() => done++)
      )
    yield* Layer.build(Layer.provide(Work.toLayer(handler, { perQueue: 2, concurrency: 8, drain: 0 }), store))
    yield* Jobs.enqueue(Array.from({ length: 20 }, (_, n) => Work(n)))
    yield* pass("1 second")
    assert.strictEqual((yield* Jobs.stats(Work)).running, 2)
    const before = asked.claims
    for (let n = 0; n < 160; n++) {
      // Each of these is news.
      yield* Jobs.enqueue(Work(n))
      yield* pass(50)
    }
    // Once a poll, in 8 seconds.
    assert.isAtMost(asked.claims - before, 9)
    assert.strictEqual(done, 0)
    yield* pass("1500 millis")
    assert.deepStrictEqual([done, (yield* Jobs.stats(Work)).running], [2, 2])
  }).pipe(Effect.provide(Jobs.layerMemory()))
)

it.effect("a rate is asked for when it opens", () =>
  Effect.gen(function* () {
    const { asked, store } = yield* counted
    const begun: Array<number> = []
    const handler = () =>
      Effect.clockWith((clock) => Effect.sync(() => begun.push(clock.currentTimeMillisUnsafe())))
    const options = { rate: { limit: 2, per: "1 minute" }, pollInterval: "5 minutes" } as const
    yield* Layer.build(Layer.provide(Work.toLayer(handler, options), store))
    yield* Jobs.enqueue(Array.from({ length: 5 }, (_, n) => Work(n)))
    yield* pass("100 seconds")
    assert.deepStrictEqual(
      begun.map((at) => Math.round(at / 1000)),
      [0, 0, 30, 60, 90]
    )
    assert.isAtMost(asked.claims, 6)
  }).pipe(Effect.provide(Jobs.layerMemory()))
)

import { assert, describe, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { JobStore } from "../../src/port/JobStore.ts"
import { claimOne, declared, eventually, failure, job, lapse } from "./store.ts"

/** What every store does with leases that lapse. */
export const leaseSuite = (it: Vitest.MethodsNonLive<JobStore>) => {
  describe("leases", () => {
    const ends = Effect.gen(function* () {
      const { queue, store } = yield* declared()
      yield* store.enqueue([job(queue, { attempts: 2 })])
      const first = yield* claimOne(queue)
      assert.strictEqual((yield* store.sweep(queue)).count, 0)
      yield* lapse(queue)
      const [second] = yield* store.claim(queue, 1, true)
      assert.deepInclude(second, { id: first.id, attempt: 2, attempts: 3, losses: 1 })
      const { dead } = yield* lapse(queue)
      assert.deepInclude(dead[0], { queue, id: first.id, attempts: 2 })
      const failed = yield* store.get(queue, first.id)
      assert.deepStrictEqual(
        [failed?.state, failed?.failure?.reason, failed?.attempts],
        ["failed", "lost", 2]
      )
      const [letter] = yield* store.dead.list(queue, { limit: 1 })
      assert.deepStrictEqual([letter?.failure.reason, letter?.attempts], ["lost", 2])
      // Replayed, it has its own attempts again, and none is lost.
      yield* store.dead.replay(queue)
      assert.deepInclude(yield* claimOne(queue), { attempt: 1, attempts: 2, losses: 0 })
    })

    const counted = Effect.gen(function* () {
      const { queue, store } = yield* declared()
      yield* store.enqueue([job(queue, { attempts: 3 })])
      yield* claimOne(queue)
      yield* lapse(queue)
      for (const attempt of [2, 3]) {
        const held = yield* claimOne(queue)
        assert.deepInclude(held, { attempt, attempts: 4, losses: 1 })
        yield* store.settle(queue, [{ ...held, _tag: "Retry", delayMillis: 0, failure }])
      }
      const last = yield* claimOne(queue)
      assert.deepInclude(last, { attempt: 4, attempts: 4 })
      yield* store.settle(queue, [{ ...last, _tag: "Release" }])
      assert.deepInclude(yield* claimOne(queue), { attempt: 4, attempts: 4, losses: 1 })
      // Lost in the last attempt, it has that one again, set apart.
      yield* lapse(queue)
      assert.deepStrictEqual(yield* store.claim(queue, 9), [])
      const [apart] = yield* store.claim(queue, 1, true)
      assert.deepInclude(apart, { attempt: 5, attempts: 5, losses: 2 })
      yield* store.settle(queue, [{ ...apart!, _tag: "Discard", failure }])
      const [letter] = yield* store.dead.list(queue, { limit: 1 })
      assert.deepStrictEqual([letter?.failure.reason, letter?.attempts], ["failed", 5])
    })

    const apart = Effect.gen(function* () {
      const { queue, store } = yield* declared({ attempts: 4 })
      const jobs = [7, 3, 5].map((priority) => job(queue, { attempts: 4, priority, group: "g" }))
      yield* store.enqueue(jobs)
      for (const losses of [1, 2]) {
        assert.lengthOf(yield* store.claim(queue, 9), 3)
        yield* eventually(
          Effect.map(store.stats(queue), ({ running }) => running),
          (count) => count === 3
        )
        const { apart } = yield* lapse(queue, 3)
        assert.deepStrictEqual(apart, losses === 2 ? [queue] : [])
      }
      yield* store.enqueue([job(queue, { payload: "new" })])
      // Nobody gets them by chance; they wait like others, and can be cancelled, moved and limited like others.
      assert.deepStrictEqual(
        (yield* store.claim(queue, 9)).map(({ payload }) => payload),
        ["new"]
      )
      assert.deepStrictEqual((yield* store.claimWithin(queue, 9, { perQueue: 9 })).jobs, [])
      assert.deepStrictEqual((yield* store.sweep(queue)).apart, [queue])
      const { oldestMillis, waiting } = yield* store.stats(queue)
      assert.deepStrictEqual([waiting, oldestMillis >= 0], [3, true])
      const full = yield* store.claimWithin(queue, 9, { perQueue: 1 }, true)
      assert.deepStrictEqual(full, { jobs: [], opensInMillis: Infinity })
      yield* store.pause(queue)
      yield* eventually(store.claim(queue, 1, true), (none) => none.length === 0)
      yield* store.resume(queue)
      const [first, ...more] = yield* store.claim(queue, 9, true)
      assert.lengthOf(more, 0)
      assert.deepInclude(first, { id: jobs[0]!.id, losses: 2, attempt: 3, attempts: 6 })
      const { jobs: second } = yield* store.claimWithin(queue, 9, { perQueue: 9, perGroup: 9 }, true)
      assert.deepStrictEqual(
        second.map(({ id }) => id),
        [jobs[2]!.id]
      )
      assert.deepStrictEqual((yield* store.claimWithin(queue, 9, { perGroup: 2 }, true)).jobs, [])
      // What was given back is apart still. What came to an end of its own is not.
      yield* store.settle(queue, [
        { ...first!, _tag: "Release" },
        { ...second[0]!, _tag: "Retry", delayMillis: 0, failure }
      ])
      assert.deepStrictEqual(
        (yield* store.claim(queue, 9)).map(({ id }) => id),
        [jobs[2]!.id]
      )
      assert.strictEqual(yield* store.cancel(queue, [jobs[1]!.id]), 1)
      const [again] = yield* store.claim(queue, 9, true)
      assert.deepInclude(again, { id: jobs[0]!.id, losses: 2, attempt: 3 })
      yield* store.settle(queue, [{ ...again!, _tag: "Complete" }])
      assert.deepStrictEqual(yield* store.claim(queue, 9, true), [])
      assert.deepStrictEqual((yield* store.sweep(queue)).apart, [])
    })

    // Together: each waits for leases to lapse.
    it.effect(
      "lapse without a heartbeat: losses are no attempts, as many as those are the end, and set a job apart before",
      () => Effect.all([ends, counted, apart], { concurrency: "unbounded" })
    )

    it.effect("last as long as heartbeats come", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared()
        yield* store.enqueue([job(queue), job(queue)])
        const [kept, left] = yield* store.claim(queue, 2)
        const swept = yield* eventually(
          Effect.andThen(store.heartbeat(queue, [kept!]), store.sweep(queue)),
          ({ count }) => count > 0
        )
        assert.deepStrictEqual(swept, { count: 1, dead: [], apart: [] })
        assert.strictEqual((yield* store.get(queue, kept!.id))?.state, "running")
        assert.strictEqual((yield* store.get(queue, left!.id))?.state, "waiting")
      })
    )
  })
}

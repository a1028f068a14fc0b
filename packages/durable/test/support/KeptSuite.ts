import { assert, describe, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { JobStore } from "../../src/port/JobStore.ts"
import { claimOne, declared, eventually, failure, job } from "./store.ts"

/** What every store does with jobs that have ended. */
export const keptSuite = (it: Vitest.MethodsNonLive<JobStore>) => {
  describe("retention", () => {
    it.effect("is over for ended jobs when the queue says so, and not before", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared({ keepEndedMillis: 1000 })
        const ends = [job(queue), job(queue), job(queue, { attempts: 1 })]
        const running = job(queue)
        const delayed = job(queue, { delayMillis: 60_000 })
        yield* store.enqueue([...ends, running, delayed])
        const claims = yield* store.claim(queue, 4)
        const claimOf = (id: string) => claims.find((one) => one.id === id)!
        yield* store.settle(queue, [
          { ...claimOf(ends[0]!.id), _tag: "Complete", result: 1 },
          { ...claimOf(ends[2]!.id), _tag: "Discard", failure }
        ])
        yield* store.cancel(queue, [ends[1]!.id])
        assert.strictEqual(yield* store.prune(queue), 0)
        assert.strictEqual((yield* store.get(queue, ends[0]!.id))?.state, "completed")

        let removed = 0
        yield* eventually(
          Effect.map(store.prune(queue), (count) => (removed += count)),
          (sum) => sum === ends.length
        )
        for (const { id } of ends) assert.isUndefined(yield* store.get(queue, id))
        assert.strictEqual((yield* store.get(queue, running.id))?.state, "running")
        assert.strictEqual((yield* store.get(queue, delayed.id))?.state, "waiting")
        assert.strictEqual((yield* store.stats(queue)).deadLetters, 1)
        // Its id is free again.
        assert.deepStrictEqual(yield* store.enqueue([ends[0]!]), [])
      })
    )

    it.effect("is over for dead letters too", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared({ keepDeadMillis: 1000 })
        const dead = job(queue)
        yield* store.enqueue([dead])
        yield* store.settle(queue, [{ ...(yield* claimOne(queue)), _tag: "Discard", failure }])
        assert.strictEqual((yield* store.stats(queue)).deadLetters, 1)
        yield* eventually(store.prune(queue), (count) => count === 1)
        assert.strictEqual((yield* store.stats(queue)).deadLetters, 0)
        assert.strictEqual((yield* store.get(queue, dead.id))?.state, "failed")
      })
    )
  })

  describe("dead letters", () => {
    const dead = (queue: string, payloads: ReadonlyArray<unknown>) =>
      Effect.gen(function* () {
        const store = yield* JobStore
        for (const payload of payloads) {
          yield* store.enqueue([job(queue, { payload })])
          const held = yield* claimOne(queue)
          yield* store.settle(queue, [{ ...held, _tag: "Discard", failure }])
        }
        return yield* store.dead.list(queue, { limit: 100 })
      })

    it.effect("are listed in pages, and by filter", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared()
        const letters = yield* dead(queue, [{ n: 0 }, { n: 1 }, { n: 0, m: 1 }])
        assert.lengthOf(letters, 3)
        const first = yield* store.dead.list(queue, { limit: 2 })
        const rest = yield* store.dead.list(queue, { limit: 2, after: first[1]!.id })
        assert.strictEqual(new Set([...first, ...rest].map(({ id }) => id)).size, 3)
        assert.lengthOf(yield* store.dead.list(queue, { limit: 10, filter: { payload: { n: 0 } } }), 2)
        const only = { ids: [letters[1]!.id] }
        assert.deepStrictEqual(yield* store.dead.list(queue, { limit: 10, filter: only }), [letters[1]!])
      })
    )

    it.effect("are replayed: one, by filter, all; as new jobs", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared()
        const letters = yield* dead(queue, [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 2, m: 1 }])
        assert.strictEqual(yield* store.dead.replay(queue, { ids: [letters[0]!.id] }), 1)
        assert.strictEqual(yield* store.dead.replay(queue, { payload: { n: 2 } }), 2)
        assert.strictEqual(yield* store.dead.replay(queue), 1)
        assert.strictEqual(yield* store.dead.replay(queue), 0)
        const again = yield* store.claim(queue, 10)
        assert.lengthOf(again, 4)
        assert.deepStrictEqual(new Set(again.map(({ attempt }) => attempt)), new Set([1]))
        assert.isTrue(again.every(({ id }) => letters.every(({ jobId }) => jobId !== id)))
      })
    )

    it.effect("are replayed with what was the job's own, also when the job is gone", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared({ attempts: 3, keepEndedMillis: 1 })
        yield* store.enqueue([job(queue, { attempts: 1, priority: 9, group: "g", trace: "00-1-2-01" })])
        const first = yield* claimOne(queue)
        yield* store.settle(queue, [{ ...first, _tag: "Discard", failure }])
        yield* Effect.sleep("2 millis")
        assert.strictEqual(yield* store.dead.replay(queue, { diedBefore: Date.now() + 60_000 }), 1)
        yield* store.enqueue([job(queue, { group: "g", priority: 1 })])
        const { jobs } = yield* store.claimWithin(queue, 10, { perGroup: 1 })
        assert.deepStrictEqual(
          jobs.map(({ attempt, priority, trace }) => [attempt, priority, trace]),
          [[1, 9, "00-1-2-01"]]
        )
        // The only attempt, so that it has failed when its lease has lapsed.
        yield* eventually(store.sweep(queue), ({ count }) => count === 1)
        assert.strictEqual((yield* store.stats(queue)).deadLetters, 1)
      })
    )

    it.effect("are purged", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared()
        const letters = yield* dead(queue, [{ n: 0 }, { n: 1 }, { n: 2 }])
        assert.strictEqual(yield* store.dead.purge(queue, { ids: [letters[0]!.id] }), 1)
        assert.strictEqual((yield* store.stats(queue)).deadLetters, 2)
        assert.strictEqual(yield* store.dead.purge(queue), 2)
        assert.deepStrictEqual(yield* store.dead.list(queue, { limit: 1 }), [])
      })
    )
  })
}

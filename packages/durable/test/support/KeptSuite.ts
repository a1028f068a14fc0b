import { assert, describe, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { idOf } from "../../src/job/JobDefinition.ts"
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

    it.effect("are chosen by the equality of fields", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared()
        const payload = { tags: ["a", "b"], user: { id: 1, name: "ada" }, n: null, text: "x" }
        yield* dead(queue, [payload, ["a"], "text", null])
        const found = (filter: { readonly [field: string]: unknown }) =>
          Effect.map(store.dead.list(queue, { limit: 10, filter: { payload: filter } }), (all) => all.length)
        const all: ReadonlyArray<{ readonly [field: string]: unknown }> = [
          { tags: ["a", "b"] },
          { user: { name: "ada", id: 1 } },
          { n: null },
          { text: "x", tags: ["a", "b"] }
        ]
        for (const filter of all) assert.strictEqual(yield* found(filter), 1, JSON.stringify(filter))
        const none: ReadonlyArray<{ readonly [field: string]: unknown }> = [
          { tags: ["a"] },
          { tags: [] },
          { tags: ["b", "a"] },
          { user: {} },
          { user: { id: 1 } },
          { m: null },
          { text: "y" },
          { text: "x", n: 1 },
          { 0: "a" },
          { length: 1 },
          { toString: "x" }
        ]
        for (const filter of none) {
          assert.strictEqual(yield* found(filter), 0, JSON.stringify(filter))
          assert.strictEqual(yield* store.dead.replay(queue, { payload: filter }), 0)
          assert.strictEqual(yield* store.dead.purge(queue, { payload: filter }), 0)
        }
        assert.strictEqual((yield* store.stats(queue)).deadLetters, 4)
      })
    )

    it.effect("give a key back to its job when they are replayed, and no other's", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared({ attempts: 2 })
        const id = idOf(queue, "key", 0)
        yield* store.enqueue([job(queue, { id, attempts: 2, payload: "first" })])
        const first = yield* claimOne(queue)
        yield* store.settle(queue, [{ ...first, _tag: "Discard", failure }])
        assert.strictEqual(yield* store.dead.replay(queue), 1)
        assert.deepInclude(yield* store.get(queue, id), { state: "waiting", attempts: 0, endedAt: undefined })
        assert.deepStrictEqual(yield* store.enqueue([job(queue, { id })]), [id])
        // What is said late of the first time has no effect.
        assert.deepStrictEqual(yield* store.settle(queue, [{ ...first, _tag: "Complete" }]), [id])
        const second = yield* claimOne(queue)
        assert.deepInclude(second, { id, attempt: 1, attempts: 2, payload: "first" })
        assert.deepStrictEqual(yield* store.settle(queue, [{ ...first, _tag: "Complete" }]), [id])
        yield* store.settle(queue, [{ ...second, _tag: "Retry", delayMillis: 0, failure }])
        assert.strictEqual((yield* claimOne(queue)).attempt, 2)
      })
    )

    it.effect("leave a key to a newer job, and take it where it is free", () =>
      Effect.gen(function* () {
        const { queue, store } = yield* declared()
        const ids = [idOf(queue, "a", 0), idOf(queue, "b", 0)]
        for (const id of ids) {
          yield* store.enqueue([job(queue, { id })])
          assert.isFalse(yield* store.forget(queue, id))
          const held = yield* claimOne(queue)
          assert.isFalse(yield* store.forget(queue, id))
          yield* store.settle(queue, [{ ...held, _tag: "Discard", failure }])
          assert.isTrue(yield* store.forget(queue, id))
          assert.isFalse(yield* store.forget(queue, id))
        }
        assert.deepStrictEqual(yield* store.enqueue([job(queue, { id: ids[0]!, payload: "newer" })]), [])
        assert.strictEqual(yield* store.dead.replay(queue), 2)
        assert.strictEqual((yield* store.get(queue, ids[0]!))?.payload, "newer")
        assert.strictEqual((yield* store.get(queue, ids[1]!))?.state, "waiting")
        assert.strictEqual((yield* store.stats(queue)).waiting, 3)
      })
    )

    it.effect(
      "are replayed, purged, and jobs cancelled, a page at a time, with progress, until it is interrupted",
      () =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          yield* store.enqueue(Array.from({ length: 2_500 }, (_, n) => job(queue, { payload: n })))
          const kill = Effect.gen(function* () {
            const held = yield* store.claim(queue, 2_500)
            yield* store.settle(
              queue,
              held.map((one) => ({ ...one, _tag: "Discard" as const, failure }))
            )
          })
          yield* kill
          const seen: Array<number> = []
          const progress = (done: number) => Effect.sync(() => seen.push(done))
          assert.strictEqual(yield* store.dead.replay(queue, undefined, { progress }), 2_500)
          assert.deepStrictEqual(seen, [1_000, 2_000, 2_500])
          yield* kill
          const once = Effect.andThen(
            Effect.sync(() => seen.length),
            (count) => (count > 3 ? Effect.interrupt : Effect.void)
          )
          yield* Effect.exit(
            store.dead.purge(queue, undefined, { progress: (done) => Effect.andThen(progress(done), once) })
          )
          assert.strictEqual((yield* store.stats(queue)).deadLetters, 1_500)
          const many = Array.from({ length: 2_500 }, () => job(queue))
          yield* store.enqueue(many)
          const ids = [...many.map(({ id }) => id), randomUUID()]
          seen.length = 0
          yield* Effect.exit(
            store.cancel(queue, ids, { progress: (done) => Effect.andThen(progress(done), Effect.interrupt) })
          )
          assert.strictEqual((yield* store.stats(queue)).waiting, 1_500)
          assert.strictEqual(yield* store.cancel(queue, ids, { progress }), 1_500)
          assert.deepStrictEqual(seen, [1_000, 0, 1_000, 1_500])
          assert.strictEqual((yield* store.stats(queue)).waiting, 0)
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

import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import type { ClaimedJob, Within } from "../../src/port/JobStore.ts"
import * as Limits from "../../src/port/Limits.ts"
import { declared, eventually, job } from "../support/store.ts"
import { stores } from "../support/stores.ts"

const some = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("the law of limits", () => {
  const history = Schema.Array(Schema.Struct({ gap: some(0, 300), wanted: some(1, 20) })).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(60)
  )

  it.prop(
    "never allows more in any time than a full burst and the rate over that time",
    { limit: some(1, 12), perMillis: some(1, 1000), history },
    ({ history, limit, perMillis }) => {
      const limits = { rate: { limit, perMillis } }
      const claims: Array<readonly [number, number]> = []
      let usage: Limits.Usage = { now: 1e12, running: 0, freeAt: 0 }
      for (const { gap, wanted } of history) {
        usage = { ...usage, now: usage.now + gap }
        const count = Limits.allowed(limits, usage, wanted)
        assert.isAtMost(count, wanted)
        claims.push([usage.now, count])
        usage = Limits.spent(limits, usage, count)
      }
      for (const [n, [from]] of claims.entries()) {
        let sum = 0
        for (const [at, count] of claims.slice(n)) {
          sum += count
          assert.isAtMost(sum, limit + ((at - from) * limit) / perMillis + 0.001)
        }
      }
    }
  )

  it.prop(
    "allows one when it said that it would, and none a moment before",
    { limit: some(1, 12), perMillis: some(10, 10_000), wait: some(0, 2000) },
    ({ limit, perMillis, wait }) => {
      const limits = { rate: { limit, perMillis } }
      const full = { now: 1e12, running: 0, freeAt: 0 }
      const spent = Limits.spent(limits, full, Limits.allowed(limits, full, 100))
      const usage = { ...spent, now: spent.now + wait }
      const opens = Limits.opensIn(limits, usage)
      assert.isAtLeast(Limits.allowed(limits, { ...usage, now: usage.now + Math.ceil(opens) }, 1), 1)
      if (opens > 1)
        assert.strictEqual(Limits.allowed(limits, { ...usage, now: usage.now + opens - 1 }, 1), 0)
    }
  )

  it.prop(
    "never lets more run than may, and opens by an end",
    { perQueue: some(1, 20), running: some(0, 40), wanted: some(1, 40) },
    ({ perQueue, running, wanted }) => {
      const usage = { now: 0, running, freeAt: 0 }
      const count = Limits.allowed({ perQueue }, usage, wanted)
      assert.strictEqual(count, Math.min(wanted, Math.max(0, perQueue - running)))
      const after = Limits.spent({ perQueue }, usage, count)
      assert.strictEqual(Limits.opensIn({ perQueue }, after), after.running >= perQueue ? Infinity : 0)
    }
  )

  it("is not closed for longer than its time by a clock that was set back", () => {
    const limits = { rate: { limit: 2, perMillis: 1000 } }
    const usage = { now: 5000, running: 0, freeAt: 9_000_000 }
    assert.strictEqual(Limits.allowed(limits, usage, 1), 0)
    assert.strictEqual(Limits.opensIn(limits, usage), 500)
  })

  it("is asked again when it opens, for a few at a time, and not later than anyway", () => {
    const slow = { rate: { limit: 1, perMillis: 60_000 } }
    const fast = { rate: { limit: 1000, perMillis: 1000 } }
    const tiny = { rate: { limit: 1, perMillis: 4 } }
    assert.strictEqual(Limits.rest(slow, 400, 1000), 400)
    assert.strictEqual(Limits.rest(slow, 50_000, 1000), 1000)
    assert.strictEqual(Limits.rest(fast, 0.5, 1000), 20)
    assert.strictEqual(Limits.rest(tiny, 0, 1000), 1)
    assert.strictEqual(Limits.rest({ perQueue: 1 }, Infinity, 1000), 1000)
  })
})

const complete = (held: ReadonlyArray<ClaimedJob>) =>
  held.map((one) => ({ ...one, _tag: "Complete" as const }))

for (const { layer, missing, name } of stores) {
  describe.skipIf(missing)(name, () => {
    it.layer(layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
      /** Jobs, and many claims of them at one time. */
      const rush = (limits: Limits.Limits, jobs: ReadonlyArray<{ readonly group?: string }>) =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          yield* store.enqueue(jobs.map((over) => job(queue, over)))
          const claims: ReadonlyArray<Within> = yield* Effect.all(
            Array.from({ length: 12 }, () => store.claimWithin(queue, 2, limits)),
            { concurrency: "unbounded" }
          )
          return { queue, store, claims, held: claims.flatMap((claim) => claim.jobs) }
        })

      it.effect("claims at one time together keep to the limit of their queue", () =>
        Effect.gen(function* () {
          const limits = { perQueue: 3 }
          const { claims, held, queue, store } = yield* rush(
            limits,
            Array.from({ length: 30 }, () => ({}))
          )
          assert.lengthOf(held, 3)
          assert.strictEqual(new Set(held.map(({ id }) => id)).size, 3)
          for (const { jobs, opensInMillis } of claims)
            assert.strictEqual(opensInMillis, jobs.length === 2 ? undefined : Infinity)
          yield* store.settle(queue, complete(held.slice(0, 1)))
          const [more] = (yield* store.claimWithin(queue, 10, limits)).jobs
          assert.isDefined(more)
          yield* store.settle(queue, [{ ...more, _tag: "Release" }])
          yield* store.cancel(queue, [held[1]!.id])
          assert.lengthOf((yield* store.claimWithin(queue, 10, limits)).jobs, 2)
          assert.strictEqual((yield* store.stats(queue)).running, 3)
        })
      )

      it.effect("jobs of a holder that is gone make room when their lease has lapsed", () =>
        Effect.gen(function* () {
          const limits = { perQueue: 3 }
          const { held, queue, store } = yield* rush(
            limits,
            Array.from({ length: 6 }, () => ({}))
          )
          assert.lengthOf(held, 3)
          const { count: swept } = yield* eventually(store.sweep(queue), ({ count }) => count > 0)
          assert.lengthOf((yield* store.claimWithin(queue, 10, limits)).jobs, swept)
        })
      )

      it.effect("claims at one time together keep to the rate, and are told when it opens", () =>
        Effect.gen(function* () {
          const limits = { rate: { limit: 5, perMillis: 60_000 } }
          const { claims, held, queue, store } = yield* rush(
            limits,
            Array.from({ length: 30 }, () => ({}))
          )
          assert.lengthOf(held, 5)
          yield* store.settle(queue, complete(held))
          const again = yield* store.claimWithin(queue, 1, limits)
          assert.lengthOf(again.jobs, 0)
          for (const { opensInMillis } of [...claims.filter((claim) => claim.jobs.length < 2), again])
            assert.isTrue(opensInMillis !== undefined && opensInMillis > 6000 && opensInMillis <= 12_000)
        })
      )

      it.effect("a rate opens again when it said so, and gives no more over time than it may", () =>
        Effect.gen(function* () {
          const limits = { rate: { limit: 10, perMillis: 200 } }
          const { queue, store } = yield* declared()
          yield* store.enqueue(Array.from({ length: 40 }, () => job(queue)))
          const from = yield* Clock.currentTimeMillis
          let got = 0
          let empty = 0
          while (got < 30) {
            const { jobs, opensInMillis } = yield* store.claimWithin(queue, 40, limits)
            got += jobs.length
            empty = jobs.length === 0 ? empty + 1 : 0
            // The clocks of a database and of a process may differ in the last millisecond.
            assert.isBelow(empty, 3)
            assert.isTrue(opensInMillis !== undefined && opensInMillis <= 20)
            yield* Effect.sleep(Math.ceil(opensInMillis ?? 0))
          }
          // 10 at once, and 20 at one every 20 ms; 2 ms for different clocks.
          assert.isAtLeast((yield* Clock.currentTimeMillis) - from, 20 * 20 - 2)
        })
      )

      it.effect("claims at one time together keep to the limit of a group, and reach those behind it", () =>
        Effect.gen(function* () {
          const limits = { perGroup: 2 }
          const { claims, held, queue, store } = yield* rush(limits, [
            ...Array.from({ length: 20 }, () => ({ group: "a" })),
            // A name like any other.
            ...Array.from({ length: 3 }, () => ({ group: "" })),
            { group: "b" },
            {}
          ])
          assert.lengthOf(held, 6)
          assert.isTrue(claims.every(({ opensInMillis }) => opensInMillis === undefined))
          assert.lengthOf((yield* store.claimWithin(queue, 10, limits)).jobs, 0)
          yield* store.settle(queue, complete(held))
          assert.lengthOf((yield* store.claimWithin(queue, 10, limits)).jobs, 3)
        })
      )

      it.effect("all limits hold at once", () =>
        Effect.gen(function* () {
          const limits = { perGroup: 1, perQueue: 4, rate: { limit: 3, perMillis: 60_000 } }
          const { held, queue, store } = yield* rush(limits, [
            ...Array.from({ length: 10 }, () => ({ group: "a" })),
            ...Array.from({ length: 10 }, () => ({ group: "b" })),
            ...Array.from({ length: 10 }, () => ({}))
          ])
          assert.lengthOf(held, 3)
          yield* store.settle(queue, complete(held))
          assert.lengthOf((yield* store.claimWithin(queue, 10, limits)).jobs, 0)
          const { opensInMillis } = yield* store.claimWithin(queue, 10, { ...limits, perQueue: 1 })
          assert.isBelow(opensInMillis ?? Infinity, Infinity)
        })
      )

      it.effect("nothing is said to be kept back where there is nothing, or all was given", () =>
        Effect.gen(function* () {
          const limits = { perQueue: 5, rate: { limit: 5, perMillis: 1000 } }
          const { queue, store } = yield* declared()
          yield* store.enqueue(Array.from({ length: 3 }, (_, n) => job(queue, { priority: n, payload: n })))
          const first = yield* store.claimWithin(queue, 1, limits)
          assert.deepStrictEqual(
            [first.jobs.map(({ attempt, payload }) => [attempt, payload]), first.opensInMillis],
            [[[1, 2]], undefined]
          )
          const rest = yield* store.claimWithin(queue, 10, limits)
          assert.deepStrictEqual([rest.jobs.length, rest.opensInMillis], [2, undefined])
          yield* store.enqueue([job(queue)])
          yield* store.pause(queue)
          yield* eventually(
            Effect.map(store.claimWithin(queue, 1, {}), ({ jobs }) => jobs.length),
            (count) => count === 0
          )
          assert.deepStrictEqual(yield* store.claimWithin(queue, 1, limits), {
            jobs: [],
            opensInMillis: undefined
          })
        })
      )
    })
  })
}

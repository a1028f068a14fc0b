import { assert, describe, it } from "@effect/vitest"
import { Layer, Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { JobStoreError, type StoreReason } from "../../src/port/JobError.ts"
import { JobStore, type Failure, type Settlement } from "../../src/port/JobStore.ts"
import * as JobStoreMemory from "../../src/store/JobStoreMemory.ts"
import { bare, Settler } from "../../src/work/Settler.ts"

const failure: Failure = { reason: "failed", message: "no", error: { code: 7 } }
const complete = (id: string): Settlement => ({ _tag: "Complete", id, claim: 0, result: id })
const retry = (id: string): Settlement => ({ _tag: "Retry", id, claim: 0, delayMillis: 1, failure })
const discard = (id: string): Settlement => ({ _tag: "Discard", id, claim: 0, failure })

/** A settler over a store that says what it thinks of a batch, and what that store took. */
const over = (thinks: (batch: ReadonlyArray<Settlement>) => StoreReason | undefined, ready = true) =>
  Effect.gen(function* () {
    const store = yield* JobStore
    const taken: Array<Settlement> = []
    const asked = { times: 0 }
    const settler = new Settler(
      {
        ...store,
        readiness: Effect.succeed({ ready, since: 0, reason: undefined }),
        settle: (_, batch) =>
          Effect.suspend(() => {
            asked.times++
            const reason = thinks(batch)
            if (reason !== undefined) return new JobStoreError({ operation: "settle", reason, cause: "test" })
            taken.push(...batch)
            return Effect.succeed([])
          })
      },
      "queue",
      () => {},
      () => {}
    )
    yield* Effect.forkScoped(settler.settling)
    return { asked, settler, taken }
  }).pipe(Effect.provide(Layer.provideMerge(JobStoreMemory.layer(), Logger.layer([]))))

const holds = (id: string) => (batch: ReadonlyArray<Settlement>) => batch.some((one) => one.id === id)

describe("what the store refuses", () => {
  it("is written without what the job said, and keeps its meaning", () => {
    assert.deepStrictEqual(bare(complete("a")), { _tag: "Complete", id: "a", claim: 0 })
    for (const one of [retry("a"), discard("a")]) {
      const less = bare(one)!
      assert.strictEqual(less._tag, one._tag)
      assert.deepInclude(less, one._tag === "Retry" ? { id: "a", claim: 0, delayMillis: 1 } : { id: "a" })
      assert.strictEqual("failure" in less && less.failure.reason, "failed")
      assert.isFalse("failure" in less && "error" in less.failure)
      assert.isUndefined(bare(less))
    }
    assert.isUndefined(bare({ _tag: "Release", id: "a", claim: 0 }))
  })

  it.effect("is found among the others, which are written", () =>
    Effect.gen(function* () {
      const { settler, taken } = yield* over((batch) =>
        batch.some((one) => one.id === "bad" && "failure" in one && one.failure.error !== undefined)
          ? "refused"
          : undefined
      )
      for (const id of ["a", "b", "bad", "c", "d"]) settler.push(id === "bad" ? retry(id) : complete(id))
      yield* TestClock.adjust(0)
      assert.sameMembers(
        taken.map(({ id }) => id),
        ["a", "b", "bad", "c", "d"]
      )
      assert.strictEqual(taken.find(({ id }) => id === "bad")?._tag, "Retry")
      assert.isTrue(settler.idle)
    })
  )

  it.effect("is asked again, later and later, where nothing of a job is in it, and holds up nobody", () =>
    Effect.gen(function* () {
      let refuses = true
      const { settler, taken } = yield* over((batch) =>
        refuses && holds("bad")(batch) ? "refused" : undefined
      )
      settler.push({ _tag: "Release", id: "bad", claim: 0 })
      settler.push(complete("a"))
      yield* TestClock.adjust("10 seconds")
      settler.push(complete("b"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(
        taken.map(({ id }) => id),
        ["a", "b"]
      )
      refuses = false
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(
        taken.map(({ id }) => id),
        ["a", "b", "bad"]
      )
    })
  )
})

describe("what does not get through", () => {
  it.effect("waits as it is while the store is away", () =>
    Effect.gen(function* () {
      let away = true
      const { asked, settler, taken } = yield* over(() => (away ? "unavailable" : undefined), false)
      for (let n = 0; n < 50; n++) settler.push(complete(`${n}`))
      yield* TestClock.adjust("2 minutes")
      assert.isFalse(settler.idle)
      away = false
      const before = asked.times
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([taken.length, asked.times - before], [50, 1])
    })
  )

  it.effect("is found among the others where they do, and written in the end", () =>
    Effect.gen(function* () {
      let large = true
      const { settler, taken } = yield* over((batch) =>
        large && holds("large")(batch) ? "unavailable" : undefined
      )
      for (const id of ["a", "large", "b"]) settler.push(complete(id))
      yield* TestClock.adjust("5 seconds")
      assert.sameMembers(
        taken.map(({ id }) => id),
        ["a", "b"]
      )
      large = false
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(taken.at(-1), complete("large"))
    })
  )
})

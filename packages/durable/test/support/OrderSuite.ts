import { assert, describe, type Vitest } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { Herd } from "lemmings"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import type { JobStore } from "../../src/port/JobStore.ts"
import { eventually } from "./store.ts"

const quick = { pollInterval: "20 millis" } as const

/** Numbers from 0 to `below`, the same for the same seed. */
const random = (seed: number) => {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
}

/** What every store does about who is next. */
export const orderSuite = (it: Vitest.MethodsNonLive<JobStore | Jobs.Jobs>) => {
  describe("order", () => {
    for (const [seed, concurrency] of [
      [1, 1],
      [2, 1],
      [3, 4]
    ] as const) {
      it.effect(`jobs begin by priority, then acceptance (seed ${seed}, ${concurrency} at a time)`, () =>
        Effect.gen(function* () {
          const next = random(seed)
          const Ordered = Job.make(`Ordered-${seed}`, { payload: Schema.Int })
          const accepted: Array<{ readonly n: number; readonly priority: number }> = []
          // One by one, and some at a time, as fast as the store takes them.
          while (accepted.length < 60) {
            const priority = [0, 1, 5, 5, 7, 10, 20][next(7)]!
            const some = Array.from({ length: 1 + next(3) }, (_, at) => ({
              n: accepted.length + at,
              priority
            }))
            accepted.push(...some)
            yield* Jobs.enqueue(
              some.map(({ n }) => Ordered(n)),
              { priority }
            )
          }
          const begun: Array<number> = []
          yield* Layer.build(
            Ordered.toLayer((n) => Effect.sync(() => begun.push(n)), { ...quick, concurrency })
          )
          yield* eventually(
            Effect.sync(() => begun.length),
            (count) => count === accepted.length
          )
          const expected = accepted.toSorted((a, b) => b.priority - a.priority || a.n - b.n)
          assert.deepStrictEqual(
            begun,
            expected.map(({ n }) => n)
          )
        })
      )
    }

    it.effect("also within limits", () =>
      Effect.gen(function* () {
        const Limited = Job.make("Ordered-limited", { payload: Schema.Int })
        const order = [1, 5, 10, 3, 7, 5]
        for (const priority of order) yield* Jobs.enqueue(Limited(priority), { priority })
        const begun: Array<number> = []
        yield* Layer.build(
          Limited.toLayer((n) => Effect.sync(() => begun.push(n)), { ...quick, perGroup: 3, perQueue: 4 })
        )
        yield* eventually(
          Effect.sync(() => begun.length),
          (count) => count === order.length
        )
        assert.deepStrictEqual(
          begun,
          order.toSorted((a, b) => b - a)
        )
      })
    )

    it.effect("replayed dead letters keep theirs", () =>
      Effect.gen(function* () {
        const Again = Job.make("Ordered-again", { payload: Schema.Int, attempts: 1 })
        yield* Jobs.enqueue([1, 2, 3, 4, 5].map((n) => Again(n)))
        const scope = Layer.build(Again.toLayer(() => Effect.die("no"), { ...quick, concurrency: 1 }))
        yield* Effect.scoped(
          Effect.andThen(
            scope,
            eventually(Jobs.stats(Again), ({ deadLetters }) => deadLetters === 5)
          )
        )
        yield* Jobs.deadLetters.replay(Again, "all")
        const begun: Array<number> = []
        yield* Layer.build(
          Again.toLayer((n) => Effect.sync(() => begun.push(n)), { ...quick, concurrency: 1 })
        )
        yield* eventually(
          Effect.sync(() => begun.length),
          (count) => count === 5
        )
        assert.deepStrictEqual(
          begun.toSorted((a, b) => a - b),
          [1, 2, 3, 4, 5]
        )
      })
    )

    it.effect("a critical job takes its turn among the tasks of a herd that is busy with its own", () =>
      Effect.gen(function* () {
        class Busy extends Herd.Service<Busy>()("test/Busy") {}
        const Urgent = Job.make("Urgent", { priority: "critical" })
        const scope = yield* Layer.build(Busy.layer({ workers: { min: 2, max: 2 } }))
        yield* Effect.gen(function* () {
          const herd = yield* Busy
          yield* Layer.build(Urgent.toLayer(() => Effect.void, { herd: Busy, pollInterval: "100 millis" }))
          const task = herd.run(Effect.sleep("20 millis"), { priority: "low" })
          const load = yield* Effect.forkChild(
            Effect.all(
              Array.from({ length: 6 }, () => Effect.forever(task)),
              { concurrency: "unbounded" }
            )
          )
          yield* Effect.sleep("100 millis")
          // It never has an idle worker.
          for (let n = 0; n < 3; n++) yield* Effect.timeout(Jobs.execute(Urgent()), "5 seconds")
          yield* Fiber.interrupt(load)
        }).pipe(Effect.provide(scope))
      })
    )
  })
}

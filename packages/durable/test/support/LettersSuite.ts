import { assert, describe, type Vitest } from "@effect/vitest"
import { Effect, Exit, Layer, Schema } from "effect"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import type { JobStore } from "../../src/port/JobStore.ts"

const quick = { pollInterval: "20 millis" } as const

/** What every store does with jobs that failed for good, as it is asked for. */
export const lettersSuite = (it: Vitest.MethodsNonLive<JobStore | Jobs.Jobs>) => {
  describe("dead letters", () => {
    it.effect("are replayed and purged where it is said which, and never all by mistake", () =>
      Effect.gen(function* () {
        const Dead = Job.make("Dead", { payload: { tenant: Schema.String }, attempts: 1 })
        yield* Layer.build(Dead.toLayer(() => Effect.die("no"), quick))
        for (const tenant of ["a", "b", "a"]) yield* Effect.exit(Jobs.execute(Dead({ tenant })))
        const mistakes: ReadonlyArray<unknown> = [
          undefined,
          {},
          { id: "x" },
          { payload: {} },
          { payload: { tenant: undefined } },
          { payload: { tenant: { deep: undefined } } },
          { payload: { tenant: 1n } },
          { payload: [] },
          { payload: undefined },
          { ids: undefined },
          { ids: "x" },
          { ids: [1] },
          { diedBefore: Number.NaN },
          { diedBefore: Infinity },
          { diedBefore: undefined },
          "everything",
          null,
          []
        ]
        for (const which of mistakes)
          for (const one of [Jobs.deadLetters.replay, Jobs.deadLetters.purge]) {
            const error = yield* Effect.flip(one(Dead, which as never))
            assert.strictEqual(
              error._tag,
              "InvalidConfig",
              JSON.stringify(which, (_, value) => String(value))
            )
          }
        for (const limit of [0, -1, 1.5, Number.NaN])
          assert.strictEqual(
            (yield* Effect.flip(Jobs.deadLetters.list(Dead, { limit })))._tag,
            "InvalidConfig"
          )
        assert.lengthOf(yield* Jobs.deadLetters.list(Dead, { payload: { tenant: "a" } }), 2)
        assert.lengthOf(yield* Jobs.deadLetters.list(Dead), 3)
        assert.strictEqual(yield* Jobs.deadLetters.purge(Dead, { payload: { tenant: "a" } }), 2)
        assert.strictEqual(yield* Jobs.deadLetters.purge(Dead, { ids: [] }), 0)
        assert.strictEqual(yield* Jobs.deadLetters.purge(Dead, { diedBefore: 0 }), 0)
        assert.strictEqual(yield* Jobs.deadLetters.purge(Dead, "all"), 1)
        assert.isTrue((yield* Jobs.readiness).ready)
      })
    )

    it.effect("what a key answers after failure, replay, cancel and release", () =>
      Effect.gen(function* () {
        const Keyed = Job.make("Keyed-again", {
          payload: Schema.Int,
          success: Schema.String,
          attempts: 1,
          idempotencyKey: (n) => `${n}`
        })
        let down = true
        let runs = 0
        const handler = () => Effect.suspend(() => (runs++, down ? Effect.die("down") : Effect.succeed("ok")))
        yield* Layer.build(Keyed.toLayer(handler, quick))
        const ask = (n: number) => Effect.map(Effect.exit(Jobs.execute(Keyed(n))), Exit.isSuccess)
        assert.isFalse(yield* ask(1))
        down = false
        // The failure is the answer, without another run.
        assert.isFalse(yield* ask(1))
        assert.strictEqual(runs, 1)
        assert.strictEqual(yield* Jobs.deadLetters.replay(Keyed, "all"), 1)
        assert.isTrue(yield* ask(1))
        assert.strictEqual(runs, 2)
        assert.isTrue(yield* ask(1))
        assert.strictEqual(runs, 2)
        const id = yield* Jobs.enqueue(Keyed(2), { delay: "1 hour" })
        assert.isFalse(yield* Jobs.release(Keyed, "2"))
        yield* Jobs.cancel(Keyed, id)
        assert.isFalse(yield* ask(2))
        assert.isTrue(yield* Jobs.release(Keyed, "2"))
        assert.isTrue(yield* ask(2))
        assert.isTrue(yield* Jobs.release(Keyed, "2"))
        assert.isFalse(yield* Jobs.release(Keyed, "2"))
        assert.isTrue(yield* ask(2))
        assert.strictEqual(runs, 4)
      })
    )

    it.effect(
      "belong to their queue: no job has a name of dead letters, and no two handled ones have one name",
      () =>
        Effect.gen(function* () {
          for (const name of ["Mail.dead", "x".repeat(201), "__pgboss__x", "", "a b"])
            assert.throws(() => Job.make(name), /InvalidConfig|letters/)
          const one = Job.make("Same", { payload: { n: Schema.Int } })
          const other = Job.make("Same", { payload: { text: Schema.String } })
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* Layer.build(one.toLayer(() => Effect.void))
              yield* Layer.build(Layer.fresh(one.toLayer(() => Effect.void)))
              const refused = yield* Effect.flip(Layer.build(other.toLayer(() => Effect.void)))
              assert.deepInclude(refused, { _tag: "InvalidConfig", field: "name" })
            })
          )
          yield* Layer.build(other.toLayer(() => Effect.void))
        })
    )
  })
}

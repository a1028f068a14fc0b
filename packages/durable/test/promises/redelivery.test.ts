import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "lemmings"
import { readFileSync } from "node:fs"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { JobStore } from "../../src/port/JobStore.ts"

const Work = Job.make("Work", { attempts: 3 })
const Once = Job.make("Once", { attempts: 1 })

const pass = (seconds: number) =>
  Effect.gen(function* () {
    for (let n = 0; n < seconds * 10; n++) yield* TestClock.adjust("100 millis")
  })

/** A handler that begins and never ends, until `close`. */
const begun = <Name extends string>(job: Job.Job<Name, void, void, never>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(
      job.toLayer(() => Effect.never, { drain: "1 second" }),
      scope
    )
    yield* pass(1)
    return { close: Effect.forkChild(Scope.close(scope, Exit.void)) }
  })

/** A handler that notes the attempt, what is counted of attempts and losses, and after how many seconds from now it came. */
const notes = (job: Job.Job<string, void, void, never>) =>
  Effect.gen(function* () {
    const clock = yield* Effect.clockWith(Effect.succeed)
    const from = clock.currentTimeMillisUnsafe()
    const seen: Array<Record<"attempt" | "attempts" | "losses" | "seconds", number>> = []
    yield* Layer.build(
      job.toLayer((_, { attempt, attempts, losses }) =>
        Effect.sync(() =>
          seen.push({ attempt, attempts, losses, seconds: (clock.currentTimeMillisUnsafe() - from) / 1000 })
        )
      )
    )
    return seen
  })

/** Each line of the table of the documentation, by how it begins, and what proves it. */
const lines: Record<string, Effect.Effect<void, unknown, Jobs.Jobs | JobStore | Scope.Scope> | string> = {
  "`kill -9`, power lost, event loop stuck": Effect.gen(function* () {
    const store = yield* JobStore
    yield* Jobs.enqueue(Work())
    // Of a process that is gone: nobody renews it.
    yield* store.claim("Work", 1)
    const seen = yield* notes(Work)
    yield* pass(21)
    // All of its three attempts are left.
    assert.deepInclude(seen[0], { attempt: 2, attempts: 4, losses: 1 })
    assert.isAtMost(seen[0]!.seconds, 20)
  }),
  "the same, embedded": "test/store/Stores.test.ts",
  "SIGTERM, the layer closes": Effect.gen(function* () {
    const id = yield* Jobs.enqueue(Work())
    const first = yield* begun(Work)
    yield* first.close
    yield* pass(2)
    assert.deepInclude(yield* Jobs.inspect(Work, id), { state: "waiting", attempts: 0 })
    const seen = yield* notes(Work)
    yield* pass(2)
    assert.deepInclude(seen[0], { attempt: 1, attempts: 3, losses: 0 })
    assert.isAtMost(seen[0]!.seconds, 1)
  }),
  "the same, in its last attempt": Effect.gen(function* () {
    const id = yield* Jobs.enqueue(Once())
    const first = yield* begun(Once)
    yield* first.close
    yield* pass(2)
    const { failure, ...job } = yield* Jobs.inspect(Once, id)
    assert.deepInclude(job, { state: "failed", attempts: 1 })
    assert.strictEqual(failure?.reason, "interrupted")
    const seen = yield* notes(Once)
    yield* pass(60)
    assert.deepStrictEqual(seen, [])
    assert.strictEqual((yield* Jobs.stats(Once)).deadLetters, 1)
  }),
  "the store was away": "test/work/JobWorkers.test.ts",
  "all processes were away": "test/outages/outages.test.ts",
  "claimed, and no worker was free for a second": Effect.gen(function* () {
    class Busy extends Herd.Service<Busy>()("test/Redelivery") {}
    const context = yield* Layer.build(Busy.layer({ workers: { min: 1, max: 1 } }))
    const herd = Context.get(context, Busy)
    const release = yield* Deferred.make<void>()
    yield* Layer.build(
      Layer.provide(
        Work.toLayer(() => Effect.die("never"), { herd: Busy }),
        Layer.succeedContext(context)
      )
    )
    for (let n = 0; n < 3; n++) yield* Effect.forkChild(herd.run(Deferred.await(release)))
    yield* pass(1)
    yield* Jobs.enqueue(Work())
    yield* pass(1)
    const seen = yield* notes(Work)
    yield* pass(3)
    yield* Effect.forkChild(herd.stop({ drain: 0 }))
    yield* pass(1)
    assert.deepInclude(seen[0], { attempt: 1, attempts: 3, losses: 0 })
    assert.isAtMost(seen[0]!.seconds, 2)
  })
}

describe("how long until redelivery", () => {
  for (const [line, proof] of Object.entries(lines))
    if (typeof proof !== "string") it.effect(line, () => Effect.provide(proof, Jobs.layerMemory()))

  it("is documented as it is tested", () => {
    const page = readFileSync(new URL("../../../../docs/durable.md", import.meta.url), "utf8")
    const [, table = ""] = page.split("How long until redelivery:")
    const rows = table.split("\n\n")[1]!.split("\n").slice(2)
    const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()))
    assert.deepStrictEqual(
      cells.map(([, line]) => line),
      Object.keys(lines)
    )
    assert.deepStrictEqual(
      cells.map(([, , , uses]) => uses),
      ["no: a loss", "no: a loss", "no", "yes", "no: a loss", "no: a loss", "no"]
    )
  })

  it.effect("a job of one attempt never begins twice where the herd closes first", () =>
    Effect.gen(function* () {
      class Stopping extends Herd.Service<Stopping>()("test/StoppingOnce") {}
      const context = yield* Layer.build(Stopping.layer({ workers: { min: 1, max: 1 } }))
      let runs = 0
      const handler = () =>
        Effect.andThen(
          Effect.sync(() => runs++),
          Effect.never
        )
      yield* Layer.build(
        Layer.provide(Once.toLayer(handler, { herd: Stopping, drain: 0 }), Layer.succeedContext(context))
      )
      const id = yield* Jobs.enqueue(Once())
      yield* pass(1)
      yield* Effect.forkChild(Context.get(context, Stopping).stop({ drain: "1 second" }))
      yield* pass(3)
      assert.strictEqual((yield* Jobs.inspect(Once, id)).state, "failed")
      const seen = yield* notes(Once)
      yield* pass(30)
      assert.deepStrictEqual([runs, seen.length], [1, 0])
    }).pipe(Effect.provide(Jobs.layerMemory()))
  )

  it.effect(
    "a job has as many attempts as it was stored with, also where a later release says otherwise",
    () =>
      Effect.gen(function* () {
        const Then = Job.make("Released", { attempts: 1 })
        const Now = Job.make("Released", { attempts: 9 })
        const id = yield* Jobs.enqueue(Then())
        const said: Array<number> = []
        yield* Layer.build(
          Now.toLayer((_, { attempts }) =>
            Effect.andThen(
              Effect.sync(() => said.push(attempts)),
              Effect.die("no")
            )
          )
        )
        yield* pass(60)
        assert.deepStrictEqual(said, [1])
        assert.strictEqual((yield* Jobs.inspect(Now, id)).state, "failed")
      }).pipe(Effect.provide(Jobs.layerMemory()))
  )
})

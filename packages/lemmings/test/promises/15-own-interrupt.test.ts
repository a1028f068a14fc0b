import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"
import { fork, settled, start } from "./support.ts"

class Query extends Context.Service<Query, object>()("test/Query") {}
class Queries extends Herd.Service<Queries>()("test/Queries", { resource: Query }) {}

describe("promise 15: an interrupt reaches only its own task", () => {
  it.effect("the task that follows a timeout on the same worker runs to its end", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const inputs = Array.from({ length: 20 }, (_, i) => i)

      const all = yield* fork(
        herd.runAll(
          inputs.map((i) => (i % 2 === 0 ? Effect.never : Effect.as(Effect.sleep(10), i))),
          { timeout: 11, mode: "settle" }
        )
      )
      yield* TestClock.adjust(20 * 11)

      const exits = yield* Fiber.join(all)
      assert.deepStrictEqual(
        exits.map((exit, i) =>
          i % 2 === 0 ? Exit.isFailure(exit) : Exit.isSuccess(exit) && exit.value === i
        ),
        inputs.map(() => true)
      )
    })
  )

  it.effect("interrupting a handle again after its end leaves the next task alone", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const first = yield* herd.submit(Effect.never)
      const second = yield* fork(herd.run(Effect.as(Effect.sleep(10), "second")))

      yield* first.interrupt
      yield* settled
      yield* first.interrupt
      yield* first.interrupt
      yield* TestClock.adjust(10)

      assert.deepStrictEqual(second.pollUnsafe(), Exit.succeed("second"))
    })
  )

  it.effect("a timer of a finished task does not fire into the next one", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      yield* fork(herd.run(Effect.sleep(10), { timeout: 20, deadline: 25 }))
      const second = yield* fork(herd.run(Effect.as(Effect.sleep(100), "second")))

      yield* TestClock.adjust(110)

      assert.deepStrictEqual(second.pollUnsafe(), Exit.succeed("second"))
    })
  )

  it.effect("the next task starts only after onInterrupt of the last one has ended", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const log: Array<string> = []
      const herd = Context.get(
        yield* Layer.build(
          Queries.layer({
            onCreate: Effect.succeed({}),
            onInterrupt: () =>
              Effect.sync(() => log.push("cancel")).pipe(
                Effect.andThen(Deferred.await(gate)),
                Effect.andThen(Effect.sync(() => log.push("cancelled")))
              ),
            workers: { max: 1 }
          })
        ),
        Queries
      )
      const first = yield* herd.submit(Effect.never)
      const second = yield* fork(herd.run(Effect.sync(() => log.push("second"))))

      yield* first.interrupt
      yield* settled
      assert.deepStrictEqual(log, ["cancel"])
      assert.deepStrictEqual((yield* herd.stats).workers.busy, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settled

      assert.deepStrictEqual(log, ["cancel", "cancelled", "second"])
      assert.isDefined(second.pollUnsafe())
    })
  )

  it.effect("onInterrupt is called once for a task that is interrupted twice, and with its resource", () =>
    Effect.gen(function* () {
      const calls: Array<object> = []
      const resource = { name: "mine" }
      const herd = Context.get(
        yield* Layer.build(
          Queries.layer({
            onCreate: Effect.succeed(resource),
            onInterrupt: (given) => Effect.sync(() => calls.push(given)),
            workers: { max: 1 }
          })
        ),
        Queries
      )
      const task = yield* herd.submit(Effect.ensuring(Effect.never, Effect.sleep(10)))
      yield* fork(task.interrupt)
      yield* fork(task.interrupt)
      yield* TestClock.adjust(10)

      assert.strictEqual(calls.length, 1)
      assert.strictEqual(calls[0], resource)
    })
  )

  it.effect("a failFast runAll interrupts its own tasks and nobody else's", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 4 } })
      const other = yield* fork(herd.run(Effect.as(Effect.sleep(50), "other")))
      const all = yield* fork(
        Effect.flip(
          herd.runAll([Effect.never, Effect.andThen(Effect.sleep(10), Effect.fail("bad")), Effect.never])
        )
      )

      yield* TestClock.adjust(50)

      assert.deepStrictEqual(
        [all.pollUnsafe(), other.pollUnsafe()],
        [Exit.succeed("bad"), Exit.succeed("other")]
      )
      assert.strictEqual((yield* herd.stats).tasks.interrupted, 2)
    })
  )
})

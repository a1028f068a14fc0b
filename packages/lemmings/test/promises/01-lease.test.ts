import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"
import { fork, Gauge, start } from "./support.ts"

class Socket extends Context.Service<Socket, { readonly id: number }>()("test/Socket") {}
class Sockets extends Herd.Service<Sockets>()("test/Sockets", { resource: Socket }) {}

describe("promise 1: a lease ends when the work has ended", () => {
  const slowToStop = {
    "a finalizer of 20 ms": Effect.ensuring(Effect.sleep(300), Effect.sleep(20)),
    "20 ms without regard to interruption": Effect.andThen(
      Effect.uninterruptible(Effect.sleep(70)),
      Effect.sleep(230)
    )
  }

  for (const [how, body] of Object.entries(slowToStop)) {
    it.effect(`one worker runs four 300 ms tasks with a 50 ms timeout and ${how} one at a time`, () =>
      Effect.gen(function* () {
        const gauge = new Gauge()
        const starts: Array<number> = []
        const herd = yield* start({ workers: { max: 1 } })
        const task = Effect.andThen(
          Effect.map(Clock.currentTimeMillis, (now) => starts.push(now)),
          gauge.during(body)
        )

        const callers = yield* Effect.forEach([1, 2, 3, 4], () =>
          fork(Effect.flip(herd.run(task, { timeout: 50 })))
        )
        yield* TestClock.adjust(279)
        assert.isUndefined(callers[3]?.pollUnsafe(), "the last caller waits for the finalizer")
        yield* TestClock.adjust(1)

        const errors = yield* Fiber.joinAll(callers)
        assert.deepStrictEqual(
          errors.map((error) => error._tag),
          ["TaskTimeout", "TaskTimeout", "TaskTimeout", "TaskTimeout"]
        )
        assert.strictEqual(gauge.most, 1)
        assert.deepStrictEqual(starts, [0, 70, 140, 210])
      })
    )
  }

  it.effect("interrupting the caller of a running task frees the worker only after its finalizers", () =>
    Effect.gen(function* () {
      const gauge = new Gauge()
      const herd = yield* start({ workers: { max: 1 } })
      const first = yield* fork(herd.run(gauge.during(Effect.ensuring(Effect.never, Effect.sleep(100)))))
      const second = yield* fork(herd.run(gauge.during(Clock.currentTimeMillis)))

      yield* TestClock.adjust(10)
      const leaving = yield* fork(Fiber.interrupt(first))
      yield* TestClock.adjust(99)
      assert.isUndefined(leaving.pollUnsafe(), "the caller waits for its task's finalizers")
      assert.strictEqual((yield* herd.stats).workers.busy, 1)
      yield* TestClock.adjust(1)

      assert.strictEqual(yield* Fiber.join(second), 110)
      assert.isDefined(leaving.pollUnsafe())
      assert.strictEqual(gauge.most, 1)
    })
  )

  it.effect("interrupting a handle and missing a deadline free the worker only after the finalizers", () =>
    Effect.gen(function* () {
      const gauge = new Gauge()
      const herd = yield* start({ workers: { max: 1 } })
      const stubborn = gauge.during(Effect.ensuring(Effect.never, Effect.sleep(40)))
      const one = yield* herd.submit(stubborn)
      const two = yield* herd.submit(stubborn, { deadline: 100 })
      const three = yield* herd.submit(gauge.during(Clock.currentTimeMillis))

      yield* TestClock.adjust(10)
      yield* fork(one.interrupt)
      yield* TestClock.adjust(200)

      assert.strictEqual((yield* Effect.flip(two.join))._tag, "DeadlineExceeded")
      assert.strictEqual(yield* three.join, 140)
      assert.strictEqual(gauge.most, 1)
    })
  )

  it.effect("a worker keeps its lease while onInterrupt runs for the task", () =>
    Effect.gen(function* () {
      const called = yield* Deferred.make<number>()
      const herd = Context.get(
        yield* Layer.build(
          Sockets.layer({
            onCreate: Effect.succeed({ id: 1 }),
            onInterrupt: ({ id }) => Effect.andThen(Deferred.succeed(called, id), Effect.sleep(100)),
            workers: { max: 1 },
            shutdown: { drain: 0, interrupt: 0 }
          })
        ),
        Sockets
      )

      const first = yield* fork(Effect.flip(herd.run(Effect.never, { timeout: 50 })))
      const second = yield* fork(herd.run(Clock.currentTimeMillis))
      yield* TestClock.adjust(149)
      assert.strictEqual(yield* Deferred.await(called), 1)
      assert.isDefined(first.pollUnsafe(), "the caller needs not wait for onInterrupt")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust(1)

      assert.strictEqual(yield* Fiber.join(second), 150)
    })
  )

  it.effect("never more tasks run than there are workers while the number of workers changes", () =>
    Effect.gen(function* () {
      const gauge = new Gauge()
      const herd = yield* start({ workers: { max: 4 } })
      yield* Effect.forEach(Array.from({ length: 40 }), () =>
        fork(herd.submit(gauge.during(Effect.ensuring(Effect.sleep(10), Effect.sleep(3)))))
      )
      for (const size of [1, 3, 0, 2, 4, 1]) {
        yield* herd.resize(size)
        gauge.most = 0
        const before = gauge.now
        yield* TestClock.adjust(17)
        assert.isAtMost(gauge.most, Math.max(before, size))
        assert.isAtMost(gauge.now, size, "busy workers that were sent away have left")
      }
    })
  )
})

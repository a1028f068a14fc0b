// What a task says while it runs.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Schedule } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { extras, Halt, Tell, Where } from "../support/extras.tasks.ts"
import served from "../support/extras.worker.ts"

class Telling extends ThreadHerd.Service<Telling>()("test/Telling", {
  tasks: extras,
  worker: new URL("../support/extras.worker.ts", import.meta.url)
}) {}

const options = { concurrency: 2, workers: { min: 1, max: 1 } }
const places = {
  "a thread": Telling.layer(options),
  "a process": Telling.layer({ ...options, isolation: "process" })
}
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
const until = (holds: () => boolean) =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("2 millis"))
  )

for (const [where, layer] of Object.entries({ ...places, "this process": Telling.layerInline(served) })) {
  describe(`reports of a task on ${where}`, () => {
    for (const how of ["awaits", "effect"] as const) {
      it.live(`are heard one after another, decoded, and all before its end (${how})`, () =>
        Effect.gen(function* () {
          const heard: Array<number> = []
          let hearing = 0
          const told = yield* Telling.run(
            Tell(
              { how, count: 50 },
              {
                onReport: ({ at, n }) =>
                  Effect.gen(function* () {
                    hearing++
                    assert.deepStrictEqual([hearing, at], [1, new Date(0)])
                    yield* n % 10 === 0 ? Effect.sleep("2 millis") : Effect.void
                    heard.push(n)
                    hearing--
                  })
              }
            )
          )
          assert.strictEqual(told, 50)
          assert.deepStrictEqual(heard, upTo(50))
        }).pipe(Effect.provide(layer))
      )
    }

    it.live("cost nothing where nobody listens", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Telling.run(Tell({ how: "awaits", count: 500 })), 500)
      }).pipe(Effect.provide(layer))
    )

    it.live("a failure to hear one is the task's, which stops", () =>
      Effect.gen(function* () {
        const heard: Array<number> = []
        const error = yield* Effect.flip(
          Telling.run(
            Tell(
              { how: "awaits", count: 1_000_000 },
              {
                onReport: ({ n }) =>
                  Effect.suspend(() => {
                    heard.push(n)
                    return n === 3 ? Effect.fail("enough" as const) : Effect.void
                  })
              }
            )
          )
        )
        assert.strictEqual(error, "enough")
        assert.deepStrictEqual(heard, [1, 2, 3])
        assert.strictEqual(yield* Telling.run(Tell({ how: "awaits", count: 2 })), 2)
        assert.strictEqual((yield* (yield* Telling).stats).resources.created, 1)
      }).pipe(Effect.provide(layer))
    )

    it.live("one that its schema refuses is a defect of its task", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Telling.run(Tell({ how: "badly", count: 1 })))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.strictEqual(yield* Telling.run(Tell({ how: "awaits", count: 2 })), 2)
      }).pipe(Effect.provide(layer))
    )
  })
}

for (const [where, layer] of Object.entries(places)) {
  describe(`a caller that takes its time, of a task on ${where}`, () => {
    it.live("holds up a handler that waits, and an interruption ends both", () =>
      Effect.gen(function* () {
        const first = yield* Deferred.make<void>()
        let interrupted = 0
        const caller = yield* Effect.forkChild(
          Telling.run(
            Tell(
              { how: "awaits", count: 1_000_000 },
              {
                onReport: () =>
                  Effect.andThen(Deferred.succeed(first, undefined), Effect.never).pipe(
                    Effect.onInterrupt(() => Effect.sync(() => interrupted++))
                  )
              }
            )
          )
        )
        yield* Deferred.await(first)
        yield* Effect.sleep("50 millis")
        const { told } = yield* Telling.run(Where(undefined))
        assert.isAtLeast(told, 1)
        assert.isAtMost(told, 17)

        yield* Fiber.interrupt(caller)

        assert.strictEqual(interrupted, 1)
        assert.strictEqual(yield* Telling.run(Tell({ how: "awaits", count: 2 })), 2)
        assert.strictEqual((yield* (yield* Telling).stats).resources.created, 1)
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("a handler that does not wait for its reports", () => {
  const tell = (count: number, flag: Int32Array, gate: Effect.Effect<void>) => {
    const heard: Array<number> = []
    const task = Tell(
      { how: "at once", count, flag },
      {
        onReport: ({ n }) =>
          Effect.andThen(
            gate,
            Effect.sync(() => heard.push(n))
          )
      }
    )
    return { heard, task }
  }
  const shared = () => new Int32Array(new SharedArrayBuffer(4))

  it.live("is held up on a thread until its caller has heard", () =>
    Effect.gen(function* () {
      const flag = shared()
      const gate = yield* Deferred.make<void>()
      const { heard, task } = tell(2000, flag, Deferred.await(gate))
      const caller = yield* Effect.forkChild(Telling.run(task))
      yield* until(() => Atomics.load(flag, 0) === 16)
      yield* Effect.sleep("30 millis")
      assert.strictEqual(Atomics.load(flag, 0), 16)

      yield* Deferred.succeed(gate, undefined)

      assert.strictEqual(yield* Fiber.join(caller), 2000)
      assert.deepStrictEqual(heard, upTo(2000))
    }).pipe(Effect.provide(places["a thread"]))
  )

  it.live("goes on when it is interrupted, and sees that it is", () =>
    Effect.gen(function* () {
      const flag = shared()
      const { task } = tell(1_000_000, flag, Effect.never)
      const caller = yield* Effect.forkChild(Telling.run(task))
      yield* until(() => Atomics.load(flag, 0) === 16)

      yield* Fiber.interrupt(caller)

      assert.isAtMost(Atomics.load(flag, 0), 17)
      assert.strictEqual((yield* (yield* Telling).stats).resources.created, 1)
    }).pipe(Effect.provide(Telling.layer({ ...options, grace: "20 seconds" })))
  )

  it.live("keeps so many in a process, and fails with one more", () =>
    Effect.gen(function* () {
      const task = (count: number) => Tell({ how: "at once", count }, { onReport: () => Effect.void })
      assert.strictEqual(yield* Telling.run(task(1000)), 1000)
      const exit = yield* Effect.exit(Telling.run(task(2000)))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(defect, RangeError)
      assert.include(defect.message, "1024 reports wait")
    }).pipe(Effect.provide(places["a process"]))
  )

  it.live("has the failure of its caller's hearing as its type says", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Telling.run(
          Tell({ how: "at once", count: 5 }, { onReport: ({ n }) => Effect.fail(new Halt({ at: n })) })
        )
      )
      assert.strictEqual(error._tag === "Halt" ? error.at : 0, 1)
    }).pipe(Effect.provide(places["a thread"]))
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Herd, TaskTimeout } from "../../src/index.ts"
import { fork, listen, settled, start } from "./support.ts"

class Token extends Context.Service<Token, object>()("test/Token") {}
class Tokens extends Herd.Service<Tokens>()("test/Tokens", { resource: Token }) {}

describe("promise 5: a retry delay holds no worker, and once is never run again", () => {
  it.effect("the only worker runs another task during the delay", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const delayed = yield* herd.submit(Effect.fail("always"), {
        retry: Schedule.recurs(1).pipe(Schedule.addDelay(() => Effect.succeed("1 hour")))
      })
      const other = yield* fork(herd.run(Effect.succeed("other")))

      assert.isDefined(other.pollUnsafe())
      assert.strictEqual(yield* delayed.status, "delayed")
      const { tasks, workers } = yield* herd.stats
      assert.deepStrictEqual([tasks.delayed, tasks.running, workers.idle, workers.busy], [1, 0, 1, 0])
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* delayed.attempts, 1)
      yield* TestClock.adjust("1 minute")

      assert.strictEqual(yield* Effect.flip(delayed.join), "always")
      assert.strictEqual(yield* delayed.attempts, 2)
    })
  )

  it.effect("ten tasks wait for their retry at once on one worker", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const attempts = new Map<number, number>()
      const flaky = (i: number) =>
        Effect.suspend(() => {
          const attempt = (attempts.get(i) ?? 0) + 1
          attempts.set(i, attempt)
          return attempt < 3 ? Effect.fail("again") : Effect.succeed(i)
        })
      const inputs = Array.from({ length: 10 }, (_, i) => i)
      const all = yield* fork(herd.runAll(inputs.map(flaky), { retry: Schedule.spaced("1 second") }))
      yield* settled
      assert.strictEqual((yield* herd.stats).tasks.delayed, 10)

      yield* TestClock.adjust("2 seconds")

      const exit = all.pollUnsafe()
      assert.deepStrictEqual(exit?._tag === "Success" ? exit.value : exit, inputs)
      assert.strictEqual((yield* herd.stats).tasks.retried, 20)
    })
  )

  it.effect(
    "a once task is not run again by its schedule, the layer's schedule, or an unhealthy worker",
    () =>
      Effect.gen(function* () {
        let runs = 0
        const herd = Context.get(
          yield* Layer.build(
            Tokens.layer({
              onCreate: Effect.sync(() => ({})),
              checkHealth: () => false,
              retry: Schedule.recurs(5),
              workers: { max: 1 }
            })
          ),
          Tokens
        )
        const failing = Effect.suspend(() => Effect.fail(++runs))

        const error = yield* Effect.flip(herd.run(failing, { once: true, retry: Schedule.recurs(5) }))

        assert.strictEqual(error, 1)
        assert.strictEqual(runs, 1)
        const { requeued, retried } = (yield* herd.stats).tasks
        assert.deepStrictEqual([requeued, retried], [0, 0])
      })
  )

  it.effect("runNow is never run again", () =>
    Effect.gen(function* () {
      let runs = 0
      const herd = yield* start({ retry: Schedule.recurs(5), checkHealth: () => false })

      yield* Effect.flip(herd.runNow(Effect.suspend(() => Effect.fail(++runs))))

      assert.strictEqual(runs, 1)
    })
  )

  it.effect("the last own error comes back when the schedule ends, and defects are not tried again", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      const errors = [{ n: 1 }, { n: 2 }, { n: 3 }] as const
      let runs = 0
      const failing = Effect.suspend(() => Effect.fail(errors[runs++]))
      const error = yield* Effect.flip(herd.run(failing, { retry: Schedule.recurs(2) }))
      assert.strictEqual(error, errors[2])

      let died = 0
      const dying = Effect.suspend(() => Effect.die(++died))
      yield* Effect.exit(herd.run(dying, { retry: Schedule.recurs(2) }))
      assert.strictEqual(died, 1)
    })
  )

  it.effect("while decides which errors are tried again, and a timeout is one of them", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const events = yield* listen(herd)
      let runs = 0
      const failing = Effect.suspend(() => Effect.fail(++runs < 3 ? "soft" : "hard"))
      const error = yield* Effect.flip(
        herd.run(failing, { retry: Schedule.forever, while: (error) => error === "soft" })
      )
      assert.strictEqual(error, "hard")
      assert.strictEqual(runs, 3)

      const slow = yield* fork(
        Effect.exit(herd.run(Effect.never, { id: "slow", timeout: 10, retry: Schedule.recurs(2) }))
      )
      yield* TestClock.adjust(30)
      const last = yield* Effect.flip(yield* Fiber.join(slow))
      assert.instanceOf(last, TaskTimeout)
      yield* settled
      const starts = events.filter((event) => event._tag === "TaskStarted" && event.taskId === "slow")
      assert.deepStrictEqual(
        starts.map(({ at }) => at),
        [0, 10, 20]
      )
    })
  )

  it.effect("retry: false on a task turns the layer's schedule off", () =>
    Effect.gen(function* () {
      let runs = 0
      const herd = yield* start({ retry: Schedule.recurs(3) })
      const failing = Effect.suspend(() => Effect.fail(++runs))

      assert.strictEqual(yield* Effect.flip(herd.run(failing, { retry: false })), 1)
      assert.strictEqual(yield* Effect.flip(herd.run(failing)), 5)
    })
  )

  it.effect("a retry is asked for when the attempt has ended, with a gate and not with a guess", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const herd = yield* start({ workers: { max: 1 } })
      let runs = 0
      const task = Effect.suspend(() =>
        ++runs === 1 ? Effect.ensuring(Effect.fail("first"), Deferred.await(gate)) : Effect.succeed(runs)
      )
      const running = yield* fork(herd.run(task, { retry: Schedule.recurs(1) }))
      yield* settled
      assert.strictEqual((yield* herd.stats).tasks.retried, 0)

      yield* Deferred.succeed(gate, undefined)
      yield* settled

      const exit = running.pollUnsafe()
      assert.strictEqual(exit?._tag === "Success" ? exit.value : exit, 2)
    })
  )
})

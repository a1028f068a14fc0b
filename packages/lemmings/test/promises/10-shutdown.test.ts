import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Herd, HerdClosed, InvalidConfig, Lemmings } from "../../src/index.ts"
import { notEnded } from "../../src/model/HerdError.ts"
import { conserved, fork, listen, settled, start } from "./support.ts"

class Door extends Context.Service<Door, object>()("test/Door") {}
class Doors extends Herd.Service<Doors>()("test/Doors", { resource: Door }) {}

const nothing = { completed: 0, interrupted: 0, abandoned: 0, leaked: 0 }
const stubborn = Effect.uninterruptible(Effect.sleep("1 hour"))

describe("promise 10: shutdown has a deadline and a report", () => {
  it.effect("stop reports what completed, was interrupted and was abandoned, and settles each caller", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 2 } })
      const events = yield* listen(herd)
      const delayed = yield* herd.submit(Effect.fail("own"), { retry: Schedule.spaced("1 hour") })
      const first = yield* herd.submit(Effect.sleep(1000))
      const long = yield* herd.submit(Effect.sleep(100_000))
      const second = yield* herd.submit(Effect.sleep(1000))
      const third = yield* herd.submit(Effect.sleep(1000))
      const never = yield* herd.submit(Effect.void)

      const report = yield* fork(herd.stop({ drain: 2500, interrupt: 1000 }))
      assert.strictEqual((yield* herd.stats).state, "draining")
      yield* TestClock.adjust(2499)
      assert.isUndefined(report.pollUnsafe())
      yield* TestClock.adjust(1)

      assert.deepStrictEqual(
        report.pollUnsafe(),
        Exit.succeed({ ...nothing, completed: 2, interrupted: 2, abandoned: 2 })
      )
      const states = []
      for (const task of [first, second, long, third, never, delayed]) states.push(yield* task.status)
      assert.deepStrictEqual(states, ["succeeded", "succeeded", "failed", "failed", "shed", "failed"])
      assert.strictEqual(yield* Effect.flip(delayed.join), "own")
      for (const task of [long, third, never]) assert.instanceOf(yield* Effect.flip(task.join), HerdClosed)
      yield* settled
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "StateChanged" ? [[event.at, event.state]] : [])),
        [
          [0, "draining"],
          [2500, "interrupting"],
          [2500, "closed"]
        ]
      )
      conserved(yield* herd.stats)
    })
  )

  it.effect(
    "a task that lost what it ran on while draining did not complete, and one before counts no more",
    () =>
      Effect.gen(function* () {
        const herd = yield* start({ workers: { max: 3 } })
        const lost = (millis: number) => Effect.delay(Effect.fail({ [notEnded]: true }), millis)
        const touchy = new Proxy({}, { get: () => assert.fail("touched") })
        yield* herd.submit(lost(100))
        yield* TestClock.adjust(100)
        yield* herd.submit(lost(100))
        yield* herd.submit(Effect.delay(Effect.fail("own"), 100))
        yield* herd.submit(Effect.delay(Effect.fail(touchy), 100))

        const report = yield* fork(herd.stop({ drain: 2500 }))
        yield* TestClock.adjust(100)

        assert.deepStrictEqual(
          report.pollUnsafe(),
          Exit.succeed({ ...nothing, completed: 2, interrupted: 1 })
        )
        conserved(yield* herd.stats)
      })
  )

  it.effect("stop ends as soon as everything has, not at its deadline", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      yield* herd.submit(Effect.sleep(10))
      yield* herd.submit(Effect.sleep(10))

      const report = yield* fork(herd.stop({ drain: "1 day" }))
      yield* TestClock.adjust(20)

      assert.deepStrictEqual(report.pollUnsafe(), Exit.succeed({ ...nothing, completed: 2 }))
    })
  )

  it.effect(
    "a task that ignores interruption is reported as leaked, its caller settled at the deadline",
    () =>
      Effect.gen(function* () {
        const herd = yield* start({ workers: { max: 1 } })
        const caller = yield* fork(Effect.flip(herd.run(stubborn)))

        const report = yield* fork(herd.stop({ drain: 1000, interrupt: 500, destroy: 100 }))
        yield* TestClock.adjust(1499)
        assert.isUndefined(caller.pollUnsafe())
        yield* TestClock.adjust(1)

        assert.instanceOf(yield* Fiber.join(caller), HerdClosed)
        yield* TestClock.adjust(200)
        assert.deepStrictEqual(report.pollUnsafe(), Exit.succeed({ ...nothing, interrupted: 1, leaked: 1 }))
        const before = (yield* herd.stats).tasks
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual((yield* herd.stats).tasks, before, "its late end is not counted again")
      })
  )

  it.effect("a defect in the finalizer of an interrupted task reaches its caller", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const caller = yield* fork(herd.run(Effect.ensuring(Effect.never, Effect.die("broken"))))

      yield* herd.stop({ drain: 0, interrupt: 100 })

      const exit = caller.pollUnsafe()
      assert.isTrue(exit !== undefined && Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )

  it.effect("a hanging onDestroy is reported as leaked after shutdown.destroy", () =>
    Effect.gen(function* () {
      const herd = Context.get(
        yield* Layer.build(
          Doors.layer({
            onCreate: Effect.succeed({}),
            onDestroy: () => Effect.never,
            scaling: "fixed",
            workers: { max: 3 },
            shutdown: { destroy: 100 }
          })
        ),
        Doors
      )

      const report = yield* fork(herd.stop())
      yield* TestClock.adjust(99)
      assert.isUndefined(report.pollUnsafe())
      yield* TestClock.adjust(1)

      assert.deepStrictEqual(report.pollUnsafe(), Exit.succeed({ ...nothing, leaked: 3 }))
    })
  )

  const twice = {
    "stop then stop": (herd: Context.Service.Shape<typeof Lemmings>) => [
      herd.stop({ drain: 1000 }),
      herd.stop()
    ],
    "stop then kill": (herd: Context.Service.Shape<typeof Lemmings>) => [
      herd.stop({ drain: "1 day" }),
      herd.kill
    ],
    "kill then stop": (herd: Context.Service.Shape<typeof Lemmings>) => [
      herd.kill,
      herd.stop({ drain: "1 day" })
    ],
    "kill then kill": (herd: Context.Service.Shape<typeof Lemmings>) => [herd.kill, herd.kill],
    "twenty stops": (herd: Context.Service.Shape<typeof Lemmings>) =>
      Array.from({ length: 20 }, () => herd.stop({ drain: 1000 }))
  }
  for (const [order, calls] of Object.entries(twice)) {
    it.effect(`${order} give one and the same report`, () =>
      Effect.gen(function* () {
        const herd = yield* start({ workers: { max: 1 } })
        const caller = yield* fork(Effect.flip(herd.run(Effect.never)))
        const queued = yield* fork(Effect.flip(herd.run(Effect.never)))

        const reports = yield* Effect.forEach(calls(herd), fork)
        yield* TestClock.adjust(1000)

        for (const report of reports) {
          assert.deepStrictEqual(
            report.pollUnsafe(),
            Exit.succeed({ ...nothing, interrupted: 1, abandoned: 1 })
          )
        }
        assert.instanceOf(yield* Fiber.join(caller), HerdClosed)
        assert.instanceOf(yield* Fiber.join(queued), HerdClosed)
        assert.deepStrictEqual(yield* herd.stop(), yield* Fiber.join(reports[0] ?? assert.fail()))
      })
    )
  }

  it.effect("kill skips the rest of draining at once", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const caller = yield* fork(Effect.flip(Effect.andThen(herd.run(Effect.never), Clock.currentTimeMillis)))
      yield* fork(herd.stop({ drain: "1 day" }))
      yield* TestClock.adjust(10)

      yield* fork(herd.kill)
      yield* settled

      assert.isDefined(caller.pollUnsafe())
      assert.strictEqual((yield* herd.stats).state, "closed")
      assert.strictEqual(yield* Clock.currentTimeMillis, 10)
    })
  )

  it.effect("interrupting the wait for stop does not stop the shutdown", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      const caller = yield* fork(Effect.flip(herd.run(Effect.never)))
      const stopping = yield* fork(herd.stop({ drain: 100 }))
      yield* Fiber.interrupt(stopping)

      yield* TestClock.adjust(100)

      assert.isDefined(caller.pollUnsafe())
      assert.strictEqual((yield* herd.stats).state, "closed")
    })
  )

  it.effect("a paused herd runs its queue while draining", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      yield* herd.pause
      const task = yield* herd.submit(Effect.succeed("ran"))

      assert.deepStrictEqual(yield* herd.stop({ drain: 1000 }), { ...nothing, completed: 1 })
      assert.strictEqual(yield* task.join, "ran")
    })
  )

  it.effect("a herd of size 0 abandons its queue at once", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1, min: 0, initial: 0 } })
      const task = yield* herd.submit(Effect.void)

      assert.deepStrictEqual(yield* herd.stop({ drain: "1 day" }), { ...nothing, abandoned: 1 })
      assert.instanceOf(yield* Effect.flip(task.join), HerdClosed)
    })
  )

  it.effect("the end of the scope is stop with the layer's limits", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const shutdown = { drain: 1000, interrupt: 500, destroy: 100 }
      const herd = yield* Layer.build(
        Lemmings.layer({ scaling: "fixed", workers: { max: 2 }, shutdown })
      ).pipe(Effect.map(Context.get(Lemmings)), Scope.provide(scope))
      const done = yield* fork(herd.run(Effect.as(Effect.sleep(999), "done")))
      const left = yield* fork(Effect.flip(herd.run(stubborn)))

      const closing = yield* fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(999)
      assert.strictEqual(yield* Fiber.join(done), "done")
      yield* TestClock.adjust(501)
      assert.instanceOf(yield* Fiber.join(left), HerdClosed)
      assert.isDefined(closing.pollUnsafe())
      assert.deepStrictEqual(yield* herd.stop(), { completed: 1, interrupted: 1, abandoned: 0, leaked: 1 })
    })
  )

  it.effect("those who wait for an idle or empty herd go on when it closes", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 1 } })
      yield* herd.submit(stubborn)
      yield* herd.submit(Effect.void)
      const idle = yield* fork(herd.awaitIdle)
      const empty = yield* fork(herd.awaitEmpty)

      yield* fork(herd.stop({ drain: 10, interrupt: 10, destroy: 10 }))
      yield* TestClock.adjust(100)

      assert.deepStrictEqual([idle.pollUnsafe(), empty.pollUnsafe()], [Exit.void, Exit.void])
    })
  )

  it.effect("a bad limit of stop is an InvalidConfig, and the herd goes on", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      // @ts-expect-error no duration
      const error = yield* Effect.flip(herd.stop({ interrupt: "soon" }))

      assert.instanceOf(error, InvalidConfig)
      assert.deepInclude(error, { field: "interrupt", value: "soon" })
      assert.strictEqual(yield* herd.run(Effect.succeed(1)), 1)
    })
  )

  for (const scaling of ["fixed", "auto"]) {
    it.live(
      `a process exits by itself after the scope has closed, with no timer left, scaling "${scaling}"`,
      () =>
        // Live: the child is a real process with a real event loop.
        Effect.gen(function* () {
          const script = fileURLToPath(new URL("./fixtures/close.ts", import.meta.url))
          const child = promisify(execFile)(process.execPath, [script, scaling], { timeout: 20_000 })

          const { stderr, stdout } = yield* Effect.promise(() => child)

          const { left, settled } = JSON.parse(stdout) as { left: Array<string>; settled: Array<string> }
          assert.deepStrictEqual(left, [], stderr)
          assert.deepStrictEqual(settled, ["Failure", "Failure", "Failure", "Failure", "Success", "Success"])
        })
    )
  }
})

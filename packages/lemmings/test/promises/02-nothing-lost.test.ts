import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, type Fiber, Layer, Schedule, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { HerdClosed, Lemmings } from "../../src/index.ts"
import { conserved, fork, settled, start } from "./support.ts"

const errorOf = (exit: Exit.Exit<unknown, unknown> | undefined) =>
  exit === undefined ? "not settled" : Exit.isSuccess(exit) ? "succeeded" : Cause.squash(exit.cause)

describe("promise 2: nothing is lost, nothing is silent", () => {
  const closings = {
    stop: (herd: Context.Service.Shape<typeof Lemmings>) => herd.stop(),
    kill: (herd: Context.Service.Shape<typeof Lemmings>) => herd.kill,
    "the end of the scope": (_: Context.Service.Shape<typeof Lemmings>, scope: Scope.Closeable) =>
      Scope.close(scope, Exit.void)
  }

  for (const [closing, close] of Object.entries(closings)) {
    it.effect(`every caller is settled after ${closing}`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const herd = yield* Layer.build(
          Lemmings.layer({
            workers: { max: 1 },
            queue: { capacity: 7 },
            shutdown: { drain: "1 second", interrupt: "1 second" }
          })
        ).pipe(Effect.map(Context.get(Lemmings)), Scope.provide(scope))

        const delayed = yield* fork(herd.run(Effect.fail("own"), { retry: Schedule.spaced("1 hour") }))
        const running = yield* fork(herd.run(Effect.never))
        const now = yield* fork(herd.runNow(Effect.never))
        const submitted = yield* herd.submit(Effect.never)
        const offered = yield* herd.offer(Effect.never)
        const callers: Record<string, Fiber.Fiber<unknown, unknown>> = {
          running,
          now,
          submitted: yield* fork(submitted.join),
          offered: yield* fork(offered.join),
          queued: yield* fork(herd.run(Effect.never)),
          all: yield* fork(herd.runAll([Effect.never, Effect.never])),
          stream: yield* fork(
            Stream.runForEach(
              herd.stream(Stream.make(1, 2), () => Effect.never),
              ({ result }) => Effect.asVoid(result)
            )
          )
        }
        yield* settled
        callers["suspended run"] = yield* fork(herd.run(Effect.never))
        callers["suspended submit"] = yield* fork(herd.submit(Effect.never))
        const before = yield* herd.stats
        assert.deepStrictEqual(
          [before.tasks.running, before.tasks.queued, before.tasks.delayed, before.tasks.admitting],
          [2, 7, 1, 2],
          "each caller is where this test wants it"
        )

        yield* fork(close(herd, scope))
        yield* TestClock.adjust("3 seconds")

        for (const [name, fiber] of Object.entries(callers)) {
          assert.instanceOf(errorOf(fiber.pollUnsafe()), HerdClosed, name)
        }
        assert.strictEqual(
          errorOf(delayed.pollUnsafe()),
          "own",
          "a delayed task fails with its own last error"
        )
        const after = yield* herd.stats
        conserved(after)
        assert.strictEqual(after.tasks.queued + after.tasks.running + after.tasks.delayed, 0)
        assert.strictEqual(after.tasks.submitted, 10)
        assert.strictEqual(after.tasks.rejected, 2)
      })
    )
  }

  it.effect("every way in is refused with HerdClosed after stop", () =>
    Effect.gen(function* () {
      const herd = yield* start()
      yield* herd.stop()

      const settle = herd.runAll([Effect.void], { mode: "settle" })
      const streamed = Stream.runCollect(herd.stream(Stream.make(1), () => Effect.void))
      const errors = [
        yield* Effect.flip(herd.run(Effect.void)),
        yield* Effect.flip(herd.submit(Effect.void)),
        yield* Effect.flip(herd.offer(Effect.void)),
        yield* Effect.flip(herd.runNow(Effect.void)),
        yield* Effect.flip(herd.runAll([Effect.void])),
        ...(yield* settle).map(errorOf),
        ...(yield* streamed).map(({ result }) => errorOf(result))
      ]

      for (const error of errors) {
        assert.instanceOf(error, HerdClosed)
        assert.deepInclude(error, { herd: "lemmings/Lemmings", state: "closed" })
      }
      assert.strictEqual(errors.length, 7)
      assert.strictEqual((yield* herd.stats).tasks.rejected, 7)
    })
  )

  const Op = Schema.Literals([
    "submit",
    "fail",
    "timeout",
    "interrupt",
    "deadline",
    "offer",
    "runNow",
    "pause",
    "resume",
    "clear",
    "grow",
    "shrink",
    "wait"
  ])
  it.effect.prop(
    "submitted tasks add up at every step of every script",
    { script: Schema.Array(Op).check(Schema.isMaxLength(60)) },
    ({ script }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const herd = yield* start({ workers: { max: 3, initial: 2 }, queue: { capacity: 4 } })
          const handles: Array<{ readonly interrupt: Effect.Effect<void> }> = []
          const task = Effect.sleep(5)
          const keep = { while: () => true }
          const operations: Record<typeof Op.Type, Effect.Effect<unknown, unknown>> = {
            submit: fork(Effect.map(herd.submit(task, keep), (handle) => handles.push(handle))),
            fail: fork(
              herd.run(Effect.fail(1), {
                retry: Schedule.recurs(2).pipe(Schedule.addDelay(() => Effect.succeed(3)))
              })
            ),
            timeout: fork(herd.run(task, { timeout: 2 })),
            deadline: fork(herd.run(task, { deadline: 3 })),
            interrupt: Effect.suspend(() => fork(handles.shift()?.interrupt ?? Effect.void)),
            offer: Effect.ignore(herd.offer(task)),
            runNow: fork(herd.runNow(task)),
            pause: herd.pause,
            resume: herd.resume,
            clear: herd.clear,
            grow: herd.resize(3),
            shrink: herd.resize(0),
            wait: TestClock.adjust(2)
          }
          for (const operation of script) {
            yield* operations[operation]
            conserved(yield* herd.stats)
          }
          yield* herd.resume
          yield* herd.resize(3)
          yield* TestClock.adjust(1000)
          const end = yield* herd.stats
          conserved(end)
          assert.strictEqual(end.tasks.queued + end.tasks.delayed + end.tasks.running, 0)
        })
      ),
    { arbitrary: { runs: 60 } }
  )
})

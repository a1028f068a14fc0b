// What the model and the interruptions have found, each in its smallest form.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Schedule } from "effect"
import { Herd, type HerdClosed, Lemmings, type TaskHandle, TaskShed } from "lemmings"
import { assertConserved, virtual } from "lemmings/testing"

class Tool extends Context.Service<Tool, { readonly name: string }>()("test/Tool") {}
class Workshop extends Herd.Service<Workshop>()("test/Workshop", { resource: Tool, sheds: true }) {}

describe("a busy worker that is sent away", () => {
  it.effect("is counted as stopping and not as busy", () =>
    virtual(
      Effect.gen(function* () {
        const herd = yield* Lemmings
        yield* herd.submit(Effect.sleep("1 second"))
        yield* herd.resize(0)

        const stats = yield* herd.stats

        assertConserved(stats)
        assert.deepStrictEqual([stats.workers.size, stats.workers.busy, stats.workers.stopping], [0, 0, 1])
      }).pipe(Effect.provide(Lemmings.layer({ workers: { min: 0, max: 1 } })))
    )
  )
})

describe("a runNow that does not end in time", () => {
  it.effect("loses its temporary resource when the herd closes", () =>
    virtual(
      Effect.gen(function* () {
        const destroyed: Array<string> = []
        const layer = Workshop.layer({
          workers: { min: 0, max: 1, initial: 0 },
          shutdown: { drain: 0, interrupt: "1 second" },
          onCreate: Effect.succeed({ name: "temporary" }),
          onDestroy: ({ name }) => Effect.sync(() => destroyed.push(name))
        })
        const stubborn = Effect.andThen(
          Tool,
          Effect.onInterrupt(Effect.never, () => Effect.sleep("1 hour"))
        )

        const report = yield* Effect.gen(function* () {
          const herd = yield* Workshop
          yield* Effect.forkDetach(herd.runNow(stubborn), { startImmediately: true })
          yield* Effect.sleep("1 second")
          return yield* herd.stop()
        }).pipe(Effect.provide(layer))

        assert.strictEqual(report.leaked, 1, "the task")
        assert.deepStrictEqual(destroyed, ["temporary"])
      })
    )
  )
})

describe("a task that is interrupted", () => {
  it.effect("is not tried again when it ends with a failure of its own", () =>
    virtual(
      Effect.gen(function* () {
        const herd = yield* Lemmings
        let attempts = 0
        // In its own first step, before its fiber could be interrupted.
        const failing = Effect.gen(function* () {
          attempts++
          yield* Effect.forkDetach(task.interrupt, { startImmediately: true })
          return yield* Effect.fail("its own")
        })
        yield* herd.pause
        const task: TaskHandle<never, string | HerdClosed> = yield* herd.submit(failing, {
          retry: Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 5 }))
        })

        yield* herd.resume

        assert.deepStrictEqual(yield* task.await, Exit.fail("its own"))
        assert.strictEqual(attempts, 1)
      }).pipe(Effect.provide(Lemmings.layer()))
    )
  )
})

describe("a task that is cleared", () => {
  it.effect("is counted as shed and not as failed", () =>
    virtual(
      Effect.gen(function* () {
        const herd = yield* Workshop
        yield* herd.pause
        const task = yield* herd.submit(Effect.void, { id: "t" })

        yield* herd.clear

        assert.deepStrictEqual(
          yield* task.await,
          Exit.fail(new TaskShed({ herd: "test/Workshop", taskId: "t", reason: "cleared" }))
        )
        assert.strictEqual(yield* task.status, "shed")
        const { failed, shed } = (yield* herd.stats).tasks
        assert.deepStrictEqual([failed, shed], [0, 1])
      }).pipe(Effect.provide(Workshop.layer({ onCreate: Effect.succeed({ name: "tool" }) })))
    )
  )
})

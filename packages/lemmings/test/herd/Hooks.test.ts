import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Herd, type Middleware } from "../../src/index.ts"
import { fork, settled, start } from "../promises/support.ts"

class Prefix extends Context.Service<Prefix, string>()("test/Prefix") {}
class Hooked extends Herd.Service<Hooked>()("test/Hooked") {}

const wraps =
  (name: string, log: Array<string>): Middleware =>
  (task, { attempt }) =>
    Effect.acquireUseRelease(
      Effect.sync(() => log.push(`${name} before ${attempt}`)),
      () => task,
      () => Effect.sync(() => log.push(`${name} after ${attempt}`))
    )

describe("middleware", () => {
  it.effect("the first is outermost, and each attempt is wrapped inside its lease", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const herd = yield* start({ middleware: [wraps("outer", log), wraps("inner", log)] })
      let attempts = 0
      const task = Effect.suspend(() => {
        log.push("task")
        return ++attempts < 2 ? Effect.fail("again") : Effect.void
      })

      yield* herd.run(task, { retry: Schedule.recurs(1) })

      const attempt = (n: number) => [
        `outer before ${n}`,
        `inner before ${n}`,
        "task",
        `inner after ${n}`,
        `outer after ${n}`
      ]
      assert.deepStrictEqual(log, [...attempt(1), ...attempt(2)])
    })
  )

  it.effect("knows the task's id, label, key, priority, attempt and worker, and may recover it", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const noting: Middleware = (task, info) => {
        seen.push(info)
        return task
      }
      const herd = yield* start({ workers: { max: 1 }, middleware: [noting] })

      yield* herd.run(Effect.void, { id: "a", label: "fetch", key: "acme", priority: "high" })
      yield* herd.runNow(Effect.void, { id: "b" })

      const common = { attempt: 1, requeues: 0, workerId: 1 }
      assert.deepStrictEqual(seen, [
        { id: "a", label: "fetch", key: "acme", priority: 10, ...common },
        { id: "b", label: undefined, key: undefined, priority: 5, ...common }
      ])
    })
  )

  it.effect("a timeout covers the middleware too, and the lease lasts until it has ended", () =>
    Effect.gen(function* () {
      const slow: Middleware = (task) => Effect.ensuring(task, Effect.sleep(30))
      const herd = yield* start({ workers: { max: 1 }, middleware: [slow] })
      const first = yield* fork(Effect.flip(herd.run(Effect.never, { timeout: 10 })))
      const second = yield* fork(herd.run(Clock.currentTimeMillis))

      yield* TestClock.adjust(70)

      assert.strictEqual(first.pollUnsafe()?._tag, "Success")
      const exit = second.pollUnsafe()
      assert.strictEqual(exit?._tag === "Success" ? exit.value : exit, 40)
    })
  )
})

describe("hooks", () => {
  it.effect("are called for each attempt and each worker, with what happened", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const say = (line: string) => Effect.sync(() => log.push(line))
      const herd = yield* start({
        workers: { max: 1 },
        hooks: {
          onTaskStart: ({ attempt, id }) => say(`start ${id}/${attempt}`),
          onTaskComplete: ({ attempt, id }, millis) => say(`complete ${id}/${attempt} ${millis}`),
          onTaskError: ({ attempt, id }, cause, millis) =>
            say(
              `error ${id}/${attempt} ${Cause.hasInterruptsOnly(cause) ? "interrupt" : String(Cause.squash(cause))} ${millis}`
            ),
          onWorkerStart: ({ burst, workerId }) => say(`worker ${workerId} ${burst}`),
          onWorkerStop: ({ workerId }) => say(`gone ${workerId}`)
        }
      })
      let attempts = 0
      const flaky = Effect.andThen(
        Effect.sleep(5),
        Effect.suspend(() => (++attempts < 2 ? Effect.fail("again") : Effect.void))
      )
      yield* fork(herd.run(flaky, { id: "a", retry: Schedule.recurs(1) }))
      yield* TestClock.adjust(10)
      const handle = yield* herd.submit(Effect.never, { id: "b" })
      yield* TestClock.adjust(7)
      yield* handle.interrupt
      yield* herd.resize(0)
      yield* settled

      assert.deepStrictEqual(log, [
        "worker 1 false",
        "start a/1",
        "error a/1 again 5",
        "start a/2",
        "complete a/2 5",
        "start b/1",
        "error b/1 interrupt 7",
        "gone 1"
      ])
    })
  )

  it.effect("a slow hook holds up no task, no worker and no caller", () =>
    Effect.gen(function* () {
      let begun = 0
      const slow = () =>
        Effect.andThen(
          Effect.sync(() => begun++),
          Effect.never
        )
      const herd = yield* start({
        workers: { max: 1 },
        hooks: { onTaskStart: slow, onTaskComplete: slow, onTaskError: slow, onWorkerStart: slow }
      })

      yield* herd.runAll([Effect.void, Effect.void])
      yield* Effect.exit(herd.run(Effect.fail("own")))

      assert.strictEqual(begun, 1 + 3 + 2 + 1)
    })
  )

  it.effect("run with the layer's services, not the submitter's", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const layer = Hooked.layer({
        hooks: { onTaskStart: () => Effect.map(Prefix, (prefix) => void seen.push(prefix)) }
      }).pipe(Layer.provide(Layer.succeed(Prefix, "layer")))
      const herd = Context.get(yield* Layer.build(layer), Hooked)

      yield* Effect.provideService(herd.run(Effect.void), Prefix, "caller")

      assert.deepStrictEqual(seen, ["layer"])
    })
  )

  it.effect("hooks that are still running when the herd closes end with it, and are reported as leaked", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const herd = yield* start({
        hooks: { onTaskStart: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)) }
      })
      yield* herd.run(Effect.void)

      const report = yield* herd.stop()
      yield* settled

      assert.strictEqual(interrupted, 1)
      assert.strictEqual(report.leaked, 1)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Exit, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"
import { fork, listen, settled } from "./support.ts"

class Link extends Context.Service<Link, { readonly id: number }>()("test/Link") {}
class Links extends Herd.Service<Links>()("test/Links", { resource: Link }) {}

type Options = Herd.CommonOptions<"suspend"> & Herd.ResourceOptions<Link["Service"]>

const build = (options: Options) =>
  Effect.map(
    Layer.build(
      Links.layer({
        scaling: "fixed",
        ...options,
        shutdown: { drain: 0, interrupt: 0, destroy: 0, ...options.shutdown },
        workers: { max: 1, ...options.workers }
      })
    ),
    Context.get(Links)
  )

/** Numbers its resources, and writes down their births and deaths. */
const numbered = (log: Array<string>, life: { readonly create?: number; readonly destroy?: number } = {}) => {
  let id = 0
  const say = (what: string) => Effect.map(Clock.currentTimeMillis, (now) => void log.push(`${now} ${what}`))
  return {
    onCreate: Effect.suspend(() => {
      const link = { id: ++id }
      return Effect.as(Effect.andThen(Effect.sleep(life.create ?? 0), say(`created ${link.id}`)), link)
    }),
    onDestroy: ({ id }: { readonly id: number }) =>
      Effect.andThen(Effect.sleep(life.destroy ?? 0), say(`destroyed ${id}`))
  }
}

const isLost = (cause: Cause.Cause<unknown>) => Cause.squash(cause) !== "lost"

describe("promise 6: an unhealthy worker is replaced before it counts again", () => {
  it.effect("its resource is destroyed, then another is created, and only then the worker is idle", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const herd = yield* build({
        ...numbered(log, { create: 10, destroy: 5 }),
        checkHealth: isLost,
        shutdown: { destroy: 100 }
      })
      const events = yield* listen(herd)
      yield* TestClock.adjust(10)
      yield* Effect.flip(herd.run(Effect.fail("lost"), { once: true }))

      const seen = []
      for (let i = 0; i < 4; i++) {
        const { idle, size, starting } = (yield* herd.stats).workers
        seen.push([idle, starting, size])
        yield* TestClock.adjust(5)
      }

      assert.deepStrictEqual(log, ["10 created 1", "15 destroyed 1", "25 created 2"])
      assert.deepStrictEqual(seen, [
        [0, 1, 1],
        [0, 1, 1],
        [0, 1, 1],
        [1, 0, 1]
      ])
      assert.include(
        events.map(({ _tag }) => _tag),
        "WorkerReplaced"
      )
      const id = yield* herd.run(Effect.map(Link, ({ id }) => id))
      assert.strictEqual(id, 2)
      yield* fork(herd.stop())
      yield* TestClock.adjust(100)
    })
  )

  it.effect("the task runs again on the new resource, and its caller sees only the success", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const herd = yield* build({ ...numbered(log), checkHealth: isLost })
      const ids: Array<number> = []
      const task = Effect.flatMap(Link, ({ id }) => {
        ids.push(id)
        return id < 3 ? Effect.fail("lost") : Effect.succeed(id)
      })

      assert.strictEqual(yield* herd.run(task), 3)
      assert.deepStrictEqual(ids, [1, 2, 3])
      assert.strictEqual((yield* herd.stats).tasks.requeued, 2)
    })
  )

  it.effect("after maxRequeues the caller gets the task's own last error, the very same value", () =>
    Effect.gen(function* () {
      const errors: Array<object> = []
      const herd = yield* build({ ...numbered([]), checkHealth: () => false, maxRequeues: 2 })
      const failing = Effect.suspend(() => {
        const error = { attempt: errors.length }
        errors.push(error)
        return Effect.fail(error)
      })

      const error = yield* Effect.flip(herd.run(failing))

      assert.strictEqual(errors.length, 3)
      assert.strictEqual(error, errors[2])
      assert.strictEqual((yield* herd.stats).resources.destroyed, 3)
    })
  )

  it.effect("re-queues take nothing from the schedule, which decides when they are used up", () =>
    Effect.gen(function* () {
      let runs = 0
      const herd = yield* build({ ...numbered([]), checkHealth: () => false, maxRequeues: 1 })
      const failing = Effect.suspend(() => Effect.fail(++runs))

      const error = yield* Effect.flip(herd.run(failing, { retry: Schedule.recurs(2) }))

      assert.strictEqual(error, 4)
      const { requeued, retried } = (yield* herd.stats).tasks
      assert.deepStrictEqual([requeued, retried], [1, 2])
    })
  )

  it.effect("a healthy failure keeps the resource", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const herd = yield* build({ ...numbered(log), checkHealth: isLost })

      yield* Effect.flip(herd.run(Effect.fail("harmless")))

      assert.strictEqual(yield* herd.run(Effect.map(Link, ({ id }) => id)), 1)
      assert.deepStrictEqual(log, ["0 created 1"])
    })
  )

  it.effect("a failing onCreate is called again after createRetry's delays until it succeeds", () =>
    Effect.gen(function* () {
      const calls: Array<number> = []
      const herd = yield* build({
        onCreate: Effect.flatMap(Clock.currentTimeMillis, (now) =>
          calls.push(now) < 4 ? Effect.fail("refused") : Effect.succeed({ id: 4 })
        ),
        createRetry: Schedule.exponential("1 second")
      })
      const events = yield* listen(herd)
      const waiting = yield* fork(herd.run(Effect.map(Link, ({ id }) => id)))

      yield* TestClock.adjust("6999 millis")
      assert.isUndefined(waiting.pollUnsafe())
      const failing = (yield* herd.stats).resources
      assert.strictEqual(failing.lastCreateError, "refused")
      assert.isAtLeast(failing.createFailuresInARow, 1)
      assert.isAtLeast(failing.lastCreateFailureAt ?? -1, failing.createFailingSince ?? Infinity)
      yield* TestClock.adjust(1)
      yield* settled

      assert.deepStrictEqual(calls, [0, 1000, 3000, 7000])
      assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed(4))
      const { createFailures, lastCreateError, ...others } = (yield* herd.stats).resources
      assert.strictEqual(others.createFailuresInARow, 0)
      assert.notProperty(others, "createFailingSince")
      assert.deepStrictEqual([createFailures, lastCreateError], [3, undefined])
      assert.strictEqual(events.filter(({ _tag }) => _tag === "ResourceCreateFailed").length, 2)
    })
  )

  it.effect("without createRetry the delay starts near 10 ms, doubles, and stays below 6 seconds", () =>
    Effect.gen(function* () {
      const calls: Array<number> = []
      yield* build({
        onCreate: Effect.flatMap(Clock.currentTimeMillis, (now) => {
          calls.push(now)
          return Effect.fail("refused")
        })
      })

      yield* TestClock.adjust("1 minute")

      const delays = calls.slice(1).map((at, i) => at - (calls[i] ?? 0))
      for (const [i, delay] of delays.entries()) {
        const ideal = Math.min(10 * 2 ** i, 5000)
        assert.isAtLeast(delay, Math.floor(ideal * 0.8), `delay ${i}`)
        assert.isAtMost(delay, Math.ceil(ideal * 1.2), `delay ${i}`)
      }
      assert.isAtLeast(calls.length, 15)
    })
  )

  it.effect("a createRetry that gives up does not leave a herd without workers", () =>
    Effect.gen(function* () {
      let calls = 0
      const herd = yield* build({
        onCreate: Effect.suspend(() =>
          ++calls < 3 ? Effect.fail("refused") : Effect.succeed({ id: calls })
        ),
        createRetry: Schedule.recurs(0)
      })
      const waiting = yield* fork(herd.run(Effect.map(Link, ({ id }) => id)))

      yield* TestClock.adjust("10 seconds")

      assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed(3))
    })
  )

  it.effect("a timeout counts while no worker can be made, and its error says why", () =>
    Effect.gen(function* () {
      const herd = yield* build({
        onCreate: Effect.fail("refused"),
        createRetry: Schedule.spaced("1 second")
      })
      const waiting = yield* fork(Effect.flip(herd.run(Effect.void, { timeout: "3 seconds" })))

      yield* TestClock.adjust("3 seconds")

      const exit = waiting.pollUnsafe()
      assert.isTrue(exit?._tag === "Success")
      if (exit?._tag !== "Success" || exit.value._tag !== "TaskTimeout") return assert.fail("no TaskTimeout")
      const { lastCreateError, phase, workers } = exit.value
      assert.deepStrictEqual(
        { lastCreateError, phase, workers },
        { lastCreateError: "refused", phase: "waiting", workers: 0 }
      )
      assert.include(exit.value.message, "onCreate fails: refused")
    })
  )

  it.effect("a resource that is not ready after a task is replaced", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const sick = new Set<number>()
      const herd = yield* build({
        ...numbered(log),
        ready: ({ id }) => (sick.has(id) ? Effect.fail("broken") : Effect.void)
      })
      yield* herd.run(Effect.map(Link, ({ id }) => void sick.add(id)))

      assert.strictEqual(yield* herd.run(Effect.map(Link, ({ id }) => id)), 2)
      assert.deepStrictEqual(log, ["0 created 1", "0 destroyed 1", "0 created 2"])
    })
  )
})

// Threads and processes that end while nobody expects it, and what is known of those that work.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, Schedule } from "effect"
import { ScalingPolicy } from "lemmings"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all, Echo } from "../support/tasks.ts"

class Threads extends ThreadHerd.Service<Threads>()("test/Ends", {
  tasks: all,
  worker: new URL("../support/all.worker.ts", import.meta.url)
}) {}

const until = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  Effect.flatMap(holds, (held) => (held ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("10 seconds")
  )
const created = (n: number) =>
  Effect.flatMap(Threads, (herd) => Effect.map(herd.stats, ({ resources }) => resources.created === n))

describe("ends while nothing runs", () => {
  for (const isolation of ["thread", "process"] as const) {
    it.live(`a ${isolation} that crashes by itself is replaced, and no task fails`, () =>
      Effect.gen(function* () {
        yield* Threads.run(Act({ what: "crashLater" }))
        yield* until(created(2))
        assert.strictEqual(yield* Threads.run(Echo(1)), 1)
        const { tasks } = yield* (yield* Threads).stats
        assert.deepStrictEqual([tasks.succeeded, tasks.failed], [2, 0])
      }).pipe(Effect.provide(Threads.layer({ isolation, workers: { min: 1, max: 1 }, output: "ignore" })))
    )
  }

  for (const isolation of ["thread", "process"] as const) {
    for (const what of ["rejectLater", "exitNext"] as const) {
      it.live(`a ${isolation} that ends right after an answer costs the next task nothing (${what})`, () =>
        Effect.gen(function* () {
          for (let i = 0; i < 4; i++) {
            assert.strictEqual(yield* Threads.run(Act({ what, value: i })), i)
            assert.strictEqual(yield* Threads.run(Echo(i)), i)
          }
        }).pipe(
          Effect.provide(
            Threads.layer({
              isolation,
              workers: { min: 1, max: 1 },
              crashes: { max: "unlimited" },
              output: "ignore"
            })
          )
        )
      )
    }
  }

  it.live("what a thread answered before its end counts, although nobody had the time to read it", () =>
    Effect.gen(function* () {
      yield* Threads.run(Echo(0))
      const begun = new Int32Array(new SharedArrayBuffer(4))
      const answers = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (value) => Threads.run(Act({ what: "exitNext", value })), {
          concurrency: 3
        }),
        { startImmediately: true }
      )
      // This event loop stands still until long after the threads have ended.
      Atomics.wait(begun, 0, 0, 500)
      assert.deepStrictEqual(yield* Fiber.join(answers), [1, 2, 3])
    }).pipe(Effect.provide(Threads.layer({ workers: { min: 3, max: 3 } })))
  )

  const processes = Threads.layer({ isolation: "process", workers: { min: 1, max: 1 } })
  const killed = (pid: unknown) => Effect.sync(() => process.kill(Number(pid), "SIGKILL"))

  it.live("a process that is killed is replaced, and no task fails", () =>
    Effect.gen(function* () {
      const pid = yield* Threads.run(Act({ what: "pid" }))
      yield* killed(pid)
      yield* until(created(2))
      const next = yield* Threads.run(Act({ what: "pid" }))
      assert.notStrictEqual(next, pid)
      assert.strictEqual((yield* (yield* Threads).stats).tasks.failed, 0)
    }).pipe(Effect.provide(processes))
  )

  it.live("and one that is killed in a task fails that task, with the signal", () =>
    Effect.gen(function* () {
      const pid = yield* Threads.run(Act({ what: "pid" }))
      const running = yield* Effect.forkChild(Effect.flip(Threads.run(Act({ what: "spin" }))))
      yield* until(Effect.map(Threads.threads, ([one]) => one?.inFlight === 1))
      yield* killed(pid)
      const error = yield* Fiber.join(running)
      assert.strictEqual(error._tag, "WorkerLost")
      assert.include(error.message, "SIGKILL")
      assert.strictEqual(yield* Threads.run(Echo(1)), 1)
    }).pipe(Effect.provide(processes))
  )
})

describe("utilization", () => {
  it.live("of each thread is shown to the policy, to metrics and to those who ask", () => {
    const shown: Array<ReadonlyArray<number>> = []
    const watching = ScalingPolicy.make({
      name: "watching",
      initial: undefined,
      decide: ({ utilization = [], workers }) => {
        shown.push(utilization.map((reading) => reading.utilization))
        return [{ target: workers.target, reason: "looks" }, undefined]
      }
    })
    const exported = Effect.map(
      Metric.snapshot,
      (metrics) => metrics.find(({ id }) => id === "lemmings_thread_utilization")?.state
    )
    return Effect.gen(function* () {
      // Those look back to the start of the threads from now on, and not before.
      yield* Threads.threads
      yield* exported
      yield* Threads.run(Act({ what: "spin", millis: 1000 }))
      const [one] = yield* Threads.threads
      const busy = yield* exported
      assert.isAbove(Math.max(...shown.flat()), 0.9)
      assert.isAbove(one?.utilization ?? 0, 0.8)
      assert.isAbove(busy !== undefined && "value" in busy ? Number(busy.value) : 0, 0.8)

      // A short task every millisecond or two.
      const before = shown.length
      for (let i = 0; i < 600; i++) yield* Effect.andThen(Threads.run(Echo(i)), Effect.sleep("1 millis"))
      const calm = shown.slice(before + 1).flat()
      assert.isAtLeast(calm.length, 1)
      assert.isBelow(calm.reduce((sum, part) => sum + part, 0) / calm.length, 0.4)
    }).pipe(Effect.provide(Threads.layer({ workers: { min: 1, max: 1 }, scaling: watching })))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Herd, HerdConfig, QueueFull, TaskShed } from "../../src/index.ts"
import { fork, listen, settled, start } from "./support.ts"

class Thing extends Context.Service<Thing, { readonly id: number }>()("test/Thing") {}
class Things extends Herd.Service<Things>()("test/Things", { resource: Thing }) {}
class Rejecting extends Herd.Service<Rejecting>()("test/Rejecting", { overflow: "reject" }) {}
class Oldest extends Herd.Service<Oldest>()("test/Oldest", { overflow: "dropOldest" }) {}
class Lowest extends Herd.Service<Lowest>()("test/Lowest", { overflow: "dropLowest" }) {}

type Options = Herd.CommonOptions<"suspend"> & Partial<Herd.ResourceOptions<Thing["Service"]>>

const owning = (options: Options) =>
  Effect.suspend(() => {
    let id = 0
    const onCreate = Effect.sync(() => ({ id: ++id }))
    return Effect.map(
      Layer.build(
        Things.layer({
          onCreate,
          ...options,
          shutdown: { drain: 0, interrupt: 0, destroy: 0, ...options.shutdown }
        })
      ),
      Context.get(Things)
    )
  })

const milliseconds = (effect: Effect.Effect<unknown, unknown>, atMost: number) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const fiber = yield* fork(Effect.andThen(Effect.exit(effect), Clock.currentTimeMillis))
    yield* TestClock.adjust(atMost)
    return (yield* Fiber.join(fiber)) - began
  })

const stubborn = Effect.uninterruptible(Effect.sleep("1 day"))

/** For each setting: that it has an effect, and that it can be turned off where there is something to turn off. */
const effects: Record<string, Effect.Effect<unknown, unknown, Scope.Scope | Thing>> = {
  "workers.min": Effect.gen(function* () {
    for (const min of [0, 1, 3]) {
      const { base, burst } = (yield* (yield* start({ workers: { min, max: 4, initial: 4 } })).stats).workers
      assert.deepStrictEqual([base, burst], [min, 4 - min])
    }
  }),
  "workers.max": Effect.gen(function* () {
    for (const max of [1, 3]) {
      const herd = yield* start({ workers: { max } })
      yield* Effect.forEach([1, 2, 3, 4, 5], () => herd.submit(Effect.never))
      assert.strictEqual((yield* herd.stats).tasks.running, max)
    }
  }),
  "workers.initial": Effect.gen(function* () {
    for (const initial of [0, 2]) {
      const herd = yield* start({ workers: { min: 0, max: 4, initial } })
      assert.strictEqual(yield* herd.size, initial)
      yield* herd.submit(Effect.never)
      assert.strictEqual((yield* herd.stats).tasks.running, Math.min(1, initial), "0 workers run nothing")
    }
  }),
  "queue.capacity": Effect.gen(function* () {
    for (const capacity of [0, 2, "unbounded"] as const) {
      const herd = yield* start({ workers: { max: 1 }, queue: { capacity } })
      yield* herd.submit(Effect.never)
      const offers = yield* Effect.forEach([1, 2, 3], () => Effect.exit(herd.offer(Effect.void)))
      const accepted = offers.filter(Exit.isSuccess).length
      assert.strictEqual(accepted, capacity === "unbounded" ? 3 : capacity)
      assert.strictEqual((yield* herd.stats).queue.capacity, capacity === "unbounded" ? null : capacity)
    }
  }),
  "queue.overflow": Effect.gen(function* () {
    const options = {
      workers: { max: 1 },
      queue: { capacity: 1 },
      shutdown: { drain: 0, interrupt: 0 }
    } as const
    const suspending = yield* start(options)
    yield* suspending.submit(Effect.never)
    yield* suspending.submit(Effect.void)
    assert.isUndefined((yield* fork(suspending.submit(Effect.void))).pollUnsafe())

    const rejecting = Context.get(yield* Layer.build(Rejecting.layer(options)), Rejecting)
    yield* rejecting.submit(Effect.never)
    yield* rejecting.submit(Effect.void)
    const error = yield* Effect.flip(rejecting.submit(Effect.void))
    assert.instanceOf(error, QueueFull)
    assert.strictEqual(error.capacity, 1)

    const oldest = Context.get(yield* Layer.build(Oldest.layer(options)), Oldest)
    yield* oldest.submit(Effect.never)
    const old = yield* oldest.submit(Effect.void, { priority: "critical" })
    const young = yield* oldest.submit(Effect.void, { priority: "low" })
    assert.deepInclude(yield* Effect.flip(old.join), {
      _tag: "TaskShed",
      reason: "dropOldest",
      taskId: old.id
    })
    assert.strictEqual(yield* young.status, "queued")

    const lowest = Context.get(yield* Layer.build(Lowest.layer(options)), Lowest)
    yield* lowest.submit(Effect.never)
    const high = yield* lowest.submit(Effect.void, { priority: "high" })
    const low = yield* lowest.submit(Effect.void, { priority: "low" })
    assert.instanceOf(yield* Effect.flip(low.join), TaskShed)
    assert.deepStrictEqual([yield* low.status, yield* high.status], ["shed", "queued"])
  }),
  "queue.ageing": Effect.gen(function* () {
    for (const [ageing, expected] of [
      ["1 second", ["old", "urgent"]],
      ["1 day", ["urgent", "old"]],
      ["never", ["urgent", "old"]],
      [0, ["old", "urgent"]]
    ] as const) {
      const order: Array<string> = []
      const herd = yield* start({ workers: { max: 1 }, queue: { ageing } })
      yield* herd.pause
      yield* herd.submit(
        Effect.sync(() => order.push("old")),
        { priority: 0 }
      )
      yield* TestClock.adjust("1 minute")
      yield* herd.submit(
        Effect.sync(() => order.push("urgent")),
        { priority: 1 }
      )
      yield* herd.resume
      yield* herd.awaitIdle
      assert.deepStrictEqual(order, [...expected], String(ageing))
    }
  }),
  "shutdown.drain": Effect.gen(function* () {
    for (const drain of [0, 700]) {
      const herd = yield* start({ shutdown: { drain } })
      yield* herd.submit(Effect.never)
      assert.strictEqual(yield* milliseconds(herd.stop(), 1000), drain)
    }
  }),
  "shutdown.interrupt": Effect.gen(function* () {
    for (const interrupt of [0, 700]) {
      const herd = yield* start({ shutdown: { interrupt } })
      const caller = yield* herd.submit(stubborn)
      yield* fork(herd.stop())
      assert.strictEqual(yield* milliseconds(caller.await, 1000), interrupt)
    }
  }),
  "shutdown.destroy": Effect.gen(function* () {
    for (const destroy of [0, 700]) {
      const herd = yield* owning({
        onDestroy: () => Effect.never,
        shutdown: { destroy },
        workers: { max: 1 }
      })
      assert.strictEqual(yield* milliseconds(herd.stop(), 1000), destroy)
    }
  }),
  createTimeout: Effect.gen(function* () {
    for (const createTimeout of [100, 1000]) {
      const herd = yield* owning({ onCreate: Effect.never, createTimeout, workers: { max: 1 } })
      yield* TestClock.adjust(createTimeout - 1)
      assert.strictEqual((yield* herd.stats).resources.createFailures, 0)
      yield* TestClock.adjust(1)
      yield* settled
      assert.strictEqual((yield* herd.stats).resources.createFailures, 1)
    }
  }),
  spares: Effect.gen(function* () {
    for (const spares of [0, 2]) {
      const herd = yield* owning({ spares, workers: { max: 1 } })
      yield* herd.submit(Effect.never)
      const { created, spares: kept } = (yield* herd.stats).resources
      assert.deepStrictEqual([created, kept], [1 + spares, spares])
      yield* herd.runNow(Effect.void)
      yield* settled
      assert.strictEqual(
        (yield* herd.stats).resources.created,
        spares === 0 ? 2 : 1 + spares,
        "a spare is used again"
      )
    }
  }),
  maxTemporary: Effect.gen(function* () {
    for (const maxTemporary of [0, 2]) {
      const herd = yield* owning({ maxTemporary, workers: { max: 1 } })
      yield* herd.submit(Effect.sleep(10))
      yield* Effect.forEach([1, 2, 3, 4], () => fork(herd.runNow(Effect.sleep(100))))
      yield* settled
      const { queue, resources } = yield* herd.stats
      assert.deepStrictEqual([resources.temporary, queue.depth], [maxTemporary, 4 - maxTemporary])
    }
  }),
  maxRequeues: Effect.gen(function* () {
    for (const maxRequeues of [0, 1, 4]) {
      let runs = 0
      const herd = yield* owning({ maxRequeues, checkHealth: () => false, workers: { max: 1 } })
      yield* Effect.flip(herd.run(Effect.suspend(() => Effect.fail(++runs))))
      assert.strictEqual(runs, 1 + maxRequeues)
    }
  }),
  window: Effect.gen(function* () {
    for (const [window, completed] of [
      ["1 second", 0],
      ["1 hour", 1]
    ] as const) {
      const herd = yield* start({ window })
      yield* herd.run(Effect.void)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* herd.metrics).run.count, completed)
    }
  })
}

describe("promise 16: every setting has an effect, and off can be said", () => {
  it("every setting of the table is tried here", () => {
    assert.deepStrictEqual(
      Object.keys(effects),
      HerdConfig.settings.map(({ path }) => path)
    )
  })
  for (const [path, effect] of Object.entries(effects)) {
    it.effect(`${path} has an effect`, () => Effect.provideService(effect, Thing, { id: 0 }))
  }

  it.effect('scaling "fixed" keeps the number of workers through any load', () =>
    Effect.gen(function* () {
      const herd = yield* start({ scaling: "fixed", workers: { min: 1, max: 8, initial: 2 } })
      const events = yield* listen(herd)
      yield* fork(herd.runAll(Array.from({ length: 500 }, () => Effect.sleep("1 minute"))))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* herd.size, 2)
      assert.deepStrictEqual(
        events.filter(({ _tag }) => _tag === "Resized"),
        []
      )
    })
  )

  it.effect("pause, resume, resize and awaitIdle may be called again without effect", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { max: 4, initial: 2 } })
      const events = yield* listen(herd)

      yield* herd.resume
      yield* herd.pause
      yield* herd.pause
      yield* herd.resume
      yield* herd.resume
      yield* herd.resize(3)
      yield* herd.resize(3)
      yield* herd.setBounds({ min: 1, max: 4 })
      yield* herd.awaitIdle
      yield* herd.awaitEmpty
      assert.strictEqual(yield* herd.clear, 0)
      yield* settled

      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Paused", "Resumed", "WorkerStarted", "Resized"]
      )
    })
  )

  it.effect("resize and setBounds after close are refused, and make no worker", () =>
    Effect.gen(function* () {
      const herd = yield* owning({ workers: { max: 4, initial: 1 } })
      yield* herd.stop()
      const resized = yield* Effect.flip(herd.resize(4))
      const bounded = yield* Effect.flip(herd.setBounds({ min: 4, max: 8 }))
      yield* herd.resume
      yield* settled
      assert.deepStrictEqual([resized._tag, bounded._tag], ["HerdClosed", "HerdClosed"])
      const { resources, workers } = yield* herd.stats
      assert.deepStrictEqual([workers.size, workers.starting, resources.created], [0, 0, 1])
    })
  )

  it.effect("lifecycle calls that race leave the number of workers asked for last", () =>
    Effect.gen(function* () {
      const herd = yield* owning({ workers: { min: 0, max: 8, initial: 4 } })
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => i),
        (i) => Effect.all([herd.resize(i % 9), herd.pause, herd.resume, herd.setBounds({ min: 0, max: 8 })]),
        { concurrency: "unbounded" }
      )
      yield* herd.resize(5)
      yield* settled
      const { resources, workers } = yield* herd.stats
      assert.deepStrictEqual([workers.target, workers.size, resources.alive], [5, 5, 5])
    })
  )
})

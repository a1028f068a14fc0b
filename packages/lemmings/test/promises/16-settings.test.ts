import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Herd, HerdConfig, QueueFull, ResourceUnavailable, ScalingPolicy, TaskShed } from "../../src/index.ts"
import { fork, Gauge, listen, settled, start } from "./support.ts"
import { flowEffects } from "./flow-settings.ts"

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
          scaling: "fixed",
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

/** Leaves the number of workers as it is, and lets those go that are idle for too long. */
const holding = ScalingPolicy.make({
  name: "holding",
  initial: undefined,
  decide: ({ workers }) => [{ target: workers.target, reason: "as it is" }, undefined]
})

const myId = Effect.map(Thing, ({ id }) => id)

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
  scaling: Effect.gen(function* () {
    const all = Array.from({ length: 5 }, () => Effect.sleep("1 minute"))
    for (const [scaling, policy, running] of [
      ["auto", "instant", 5],
      ["instant", "instant", 5],
      ["fixed", "fixed", 2],
      ["latency", "latency", 2],
      [holding, "holding", 2]
    ] as const) {
      const herd = yield* start({ scaling, workers: { max: 8, initial: 2 } })
      yield* fork(herd.runAll(all))
      const stats = yield* herd.stats
      assert.deepStrictEqual([stats.scaling.policy, stats.tasks.running], [policy, running])
    }
    for (const scaling of HerdConfig.Scaling.literals) {
      const { policy } = (yield* (yield* owning({ scaling })).stats).scaling
      assert.strictEqual(policy, scaling === "auto" ? "littlesLaw" : scaling)
    }
  }),
  scalingInterval: Effect.gen(function* () {
    for (const scalingInterval of [100, 2000]) {
      const askedAt: Array<number> = []
      const scaling = ScalingPolicy.make({
        name: "watching",
        targetWait: 60_000,
        initial: undefined,
        decide: ({ now, workers }) => {
          askedAt.push(now)
          return [{ target: workers.target, reason: "watching" }, undefined]
        }
      })
      const herd = yield* start({ scaling, scalingInterval })
      yield* herd.submit(Effect.never)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(askedAt.length, 10_000 / scalingInterval)
    }
  }),
  "workers.initial": Effect.gen(function* () {
    for (const initial of [0, 2]) {
      const herd = yield* start({ workers: { min: 0, max: 4, initial } })
      assert.strictEqual(yield* herd.target, initial)
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
  ...flowEffects,
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
  start: Effect.gen(function* () {
    const slow = Effect.as(Effect.sleep(100), { id: 7 })
    const workers = { min: 0, max: 2, initial: 2 }
    const background = yield* owning({ onCreate: slow, workers })
    const { resources, workers: begun } = yield* background.stats
    assert.deepStrictEqual([begun.starting, resources.created], [2, 0])

    const eager = yield* fork(owning({ onCreate: slow, workers, start: "eager" }))
    yield* TestClock.adjust(99)
    assert.isUndefined(eager.pollUnsafe(), "it waits for its resources")
    yield* TestClock.adjust(1)
    const ready = (yield* Fiber.join(eager)).stats
    assert.strictEqual((yield* ready).workers.idle, 2)
    const failing = yield* Effect.flip(owning({ onCreate: Effect.fail("refused"), workers, start: "eager" }))
    assert.instanceOf(failing, ResourceUnavailable)
    assert.strictEqual(failing.cause, "refused")

    for (const scaling of ["fixed", "auto"] as const) {
      const lazy = yield* owning({ workers, scaling, start: "lazy" })
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* lazy.stats).resources.created, 0)
      assert.include([1, 2], yield* lazy.run(myId))
      assert.strictEqual((yield* lazy.stats).resources.created, 2)
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
  maxCreating: Effect.gen(function* () {
    for (const maxCreating of [1, 3]) {
      const creating = new Gauge()
      const onCreate = Effect.as(creating.during(Effect.sleep(100)), { id: 1 })
      const herd = yield* owning({ onCreate, maxCreating, workers: { max: 6 } })
      yield* TestClock.adjust((100 * 6) / maxCreating)
      assert.deepStrictEqual([creating.most, (yield* herd.stats).workers.idle], [maxCreating, 6])
    }
  }),
  validateAfter: Effect.gen(function* () {
    for (const [validateAfter, expected] of [
      [0, 2],
      [400, 1],
      ["1 hour", 0]
    ] as const) {
      let asked = 0
      const validate = () => Effect.sync(() => ++asked > 0)
      const herd = yield* owning({ validate, validateAfter, workers: { max: 1 } })
      for (const unused of [100, 500]) {
        yield* TestClock.adjust(unused)
        yield* herd.run(Effect.void)
      }
      assert.strictEqual(asked, expected)
    }
  }),
  validateTimeout: Effect.gen(function* () {
    for (const validateTimeout of [0, 700]) {
      const herd = yield* owning({
        validate: ({ id }) => (id === 1 ? Effect.never : Effect.succeed(true)),
        validateAfter: 0,
        validateTimeout,
        workers: { max: 1 }
      })
      yield* TestClock.adjust(1)
      const second = Effect.map(herd.run(myId), (id) => assert.strictEqual(id, 2, "another one"))
      assert.strictEqual(yield* milliseconds(second, 1000), validateTimeout)
      assert.strictEqual((yield* herd.stats).resources.invalid, 1)
    }
  }),
  idleTimeToLive: Effect.gen(function* () {
    for (const [idleTimeToLive, scaling, left] of [
      ["1 minute", holding, 1],
      ["1 hour", holding, 3],
      ["never", holding, 3],
      ["1 minute", "fixed", 3]
    ] as const) {
      const workers = { min: 1, max: 3, initial: 3 }
      const herd = yield* owning({ idleTimeToLive, scaling, workers, maxLifetime: "never" })
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual((yield* herd.stats).resources.alive, 3)
      yield* TestClock.adjust("10 minutes")
      const { resources, workers: now } = yield* herd.stats
      assert.deepStrictEqual([resources.alive, now.target, now.size], [left, left, left])
    }
  }),
  maxLifetime: Effect.gen(function* () {
    for (const [maxLifetime, created] of [
      ["1 minute", 2],
      ["1 hour", 1],
      ["never", 1]
    ] as const) {
      const herd = yield* owning({ maxLifetime, workers: { max: 1 } })
      yield* TestClock.adjust("58 seconds")
      assert.strictEqual((yield* herd.stats).resources.created, 1)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* herd.stats).resources.created, created)
      assert.strictEqual(yield* herd.run(myId), created)
    }
    const immortal = yield* owning({ maxLifetime: "never", workers: { max: 1 } })
    yield* TestClock.adjust("7 days")
    assert.strictEqual((yield* immortal.stats).resources.created, 1)
  }),
  keepAlive: Effect.gen(function* () {
    for (const [keepAlive, least, most] of [
      ["1 minute", 60, 67],
      ["20 minutes", 3, 3],
      ["never", 0, 0]
    ] as const) {
      let asked = 0
      const validate = () => Effect.sync(() => ++asked > 0)
      yield* owning({ validate, keepAlive, maxLifetime: "never", workers: { max: 1 } })
      yield* TestClock.adjust("1 hour")
      assert.isAtLeast(asked, least)
      assert.isAtMost(asked, most)
    }
  }),
  maxUses: Effect.gen(function* () {
    for (const [maxUses, ids] of [
      [1, [1, 2, 3, 4]],
      [2, [1, 1, 2, 2]],
      ["unlimited", [1, 1, 1, 1]]
    ] as const) {
      const herd = yield* owning({ maxUses, workers: { max: 1 } })
      const seen = yield* Effect.forEach(ids, () => herd.run(myId))
      assert.deepStrictEqual(seen, [...ids])
    }
  }),
  reuse: Effect.gen(function* () {
    for (const [reuse, ids] of [
      ["lifo", [3, 3, 3, 3]],
      ["fifo", [1, 2, 3, 1]]
    ] as const) {
      const herd = yield* owning({ reuse, workers: { max: 3 } })
      yield* settled
      const seen = yield* Effect.forEach(ids, () => herd.run(myId))
      assert.deepStrictEqual(seen, [...ids])
    }
  }),
  leakAfter: Effect.gen(function* () {
    for (const [leakAfter, suspected] of [
      ["1 minute", [["slow", 60_000]]],
      ["1 day", []],
      ["never", []]
    ] as const) {
      const herd = yield* start({ leakAfter })
      const events = yield* listen(herd)
      yield* herd.submit(Effect.sleep("59 seconds"), { id: "quick" })
      yield* herd.submit(Effect.sleep("1 hour"), { id: "slow" })
      yield* TestClock.adjust("1 hour")
      yield* settled
      const told = events.flatMap((event) =>
        event._tag === "LeakSuspected" ? [[event.taskId, event.heldMillis]] : []
      )
      assert.deepStrictEqual(told, suspected as unknown as typeof told)
    }
  }),
  onLeak: Effect.gen(function* () {
    for (const [onLeak, status] of [
      ["report", "succeeded"],
      ["interrupt", "interrupted"]
    ] as const) {
      const herd = yield* start({ leakAfter: "1 minute", onLeak })
      const task = yield* herd.submit(Effect.sleep("2 minutes"))
      yield* TestClock.adjust("2 minutes")
      yield* settled
      assert.strictEqual(yield* task.status, status)
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
      assert.strictEqual(yield* herd.target, 2)
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
        ["Paused", "Resumed", "Resized", "WorkerStarted"]
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

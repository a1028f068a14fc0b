// Turns of the event loop, and what may keep a process: on the real clock, which virtual time hides.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, type Duration, Effect, Exit, ManagedRuntime } from "effect"
import { TestClock } from "effect/testing"
import * as Timers from "../../src/internal/Timers.ts"
import { Herd, ResourcePool, ScalingPolicy } from "../../src/index.ts"
import { virtual } from "../../src/testing/index.ts"
import { settled, start } from "./support.ts"

class Plain extends Herd.Service<Plain>()("test/Turns") {}

/** Keeps the processor for so long. */
const busy = (millis: number) =>
  Effect.sync(() => {
    const began = performance.now()
    while (performance.now() - began < millis);
  })

/** How often the event loop turned while the effect ran. */
const turnsDuring = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let turns = 0
    let beat = setImmediate(function again() {
      turns++
      beat = setImmediate(again)
    })
    return Effect.map(
      Effect.ensuring(
        effect,
        Effect.sync(() => clearImmediate(beat))
      ),
      () => turns
    )
  })

describe("turns of the event loop", () => {
  it.live("slow synchronous tasks let the event loop turn after a few of them", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 1, max: 1 } })
      const tasks = Array.from({ length: 60 }, () => busy(2))
      // 120 ms of work in slices of 8 ms and one task.
      assert.isAtLeast(yield* turnsDuring(herd.runAll(tasks)), 6)
    })
  )

  it.live("a layer that was built by runSync lets the event loop turn as any other", () =>
    Effect.gen(function* () {
      const runtime = ManagedRuntime.make(Plain.layer({ workers: { min: 1, max: 1 } }))
      runtime.runSync(Effect.void)
      const tasks = Array.from({ length: 60 }, () => busy(2))
      const ran = Effect.promise(() => runtime.runPromise(Plain.runAll(tasks)))
      assert.isAtLeast(yield* turnsDuring(ran), 6)
      yield* runtime.disposeEffect
    })
  )

  it.live("100,000 queued tasks are cleared and killed, and every caller is told", () =>
    Effect.gen(function* () {
      for (const end of ["clear", "kill"] as const) {
        const herd = yield* start({ workers: { min: 1, max: 1 } })
        yield* herd.pause
        let told = 0
        const waiting = Effect.map(herd.submit(Effect.never), (handle) =>
          Effect.runFork(handle.await).addObserver(() => void told++)
        )
        yield* Effect.replicateEffect(waiting, 1_000, { discard: true })
        yield* Effect.replicateEffect(herd.submit(Effect.never), 99_000, { discard: true })
        yield* herd[end]
        yield* Effect.repeat(Effect.yieldNow, { until: () => told === 1_000 })
        assert.strictEqual((yield* herd.stats).tasks.shed, 100_000)
        assert.strictEqual(told, 1_000)
      }
    })
  )

  it.live("100,000 workers come and go", () =>
    Effect.gen(function* () {
      const herd = yield* start({ workers: { min: 1, max: 100_000 } })
      yield* herd.resize(100_000)
      assert.strictEqual((yield* herd.stats).workers.idle, 100_000)
      yield* herd.resize(1)
      const { workers } = yield* herd.stats
      assert.deepStrictEqual([workers.size, workers.idle, workers.stopping], [1, 1, 0])
      assert.strictEqual(yield* herd.run(Effect.succeed(1)), 1)
    })
  )
})

describe("shrinking", () => {
  it.effect(
    "after a resize no more tasks start than the size allows: the first worker that is free leaves",
    () =>
      Effect.gen(function* () {
        for (const long of ["first", "second"]) {
          const herd = yield* start({ workers: { min: 1, max: 2, initial: 2 } })
          let started = 0
          const short = Effect.delay(
            Effect.sync(() => started++),
            5
          )
          const both = [Effect.sleep("1 hour"), short]
          for (const task of long === "first" ? both : both.toReversed()) yield* herd.submit(task)
          for (let n = 0; n < 50; n++) yield* herd.submit(short)
          yield* herd.resize(1)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(started, 1, `the long one was submitted ${long}`)
          const { busy, size, stopping } = (yield* herd.stats).workers
          assert.deepStrictEqual([busy, size, stopping], [1, 1, 0])
          yield* herd.kill
        }
      })
  )

  it.live("many idle workers leave without recursion, and every resource is destroyed", () =>
    Effect.gen(function* () {
      let alive = 0
      const pool = yield* ResourcePool.make("shrinking", {
        onCreate: Effect.sync(() => ({ n: ++alive })),
        onDestroy: () => Effect.sync(() => alive--),
        size: { min: 2_000, max: 2_000 },
        scaling: "fixed",
        maxCreating: 1_000,
        start: "eager"
      })
      assert.strictEqual(alive, 2_000)
      yield* pool.setBounds({ min: 10, max: 10 })
      yield* settled
      assert.strictEqual(alive, 10)
      assert.strictEqual((yield* pool.stats).total, 10)
    })
  )
})

describe("resources that go bad at once", () => {
  it.live("one that is lost as soon as it is made is replaced at growing intervals", () =>
    Effect.gen(function* () {
      let made = 0
      yield* ResourcePool.make("lost", {
        onCreate: Effect.sync(() => ({ n: ++made })),
        awaitLost: () => Effect.void,
        size: 1
      })
      yield* Effect.sleep("300 millis")
      assert.isAtMost(made, 10)
      assert.isAtLeast(made, 3)
    })
  )

  for (const [how, valid] of Object.entries({
    "at once": Effect.succeed(true),
    "by a promise": Effect.promise(() => Promise.resolve(true)),
    "after a while": Effect.delay(Effect.succeed(true), 5)
  })) {
    it.live(`validateAfter: 0 and a validate that answers ${how}: each loan asks once, and is lent`, () =>
      Effect.gen(function* () {
        let asked = 0
        const pool = yield* ResourcePool.make("validated", {
          onCreate: Effect.succeed({}),
          validate: () => Effect.suspend(() => (asked++, valid)),
          validateAfter: 0,
          size: 1,
          acquireTimeout: "20 seconds"
        })
        for (let n = 1; n <= 3; n++) {
          yield* Effect.sleep(2)
          assert.strictEqual(yield* pool.use(() => Effect.succeed("lent")), "lent")
          assert.strictEqual(asked, n)
        }
      })
    )
  }
})

describe("time", () => {
  it.effect("a policy that wants no more is not asked for each task that waits", () =>
    Effect.gen(function* () {
      let asked = 0
      const capped = ScalingPolicy.make({
        name: "two",
        targetWait: Infinity,
        initial: undefined,
        decide: () => {
          asked++
          return [{ target: 2, reason: "two" }, undefined]
        }
      })
      const scaling = ScalingPolicy.min(ScalingPolicy.instant(), capped)
      const herd = yield* start({ scaling, workers: { min: 1, max: 16 } })
      yield* Effect.replicateEffect(herd.submit(Effect.never), 1_000, { discard: true })
      assert.isAtMost(asked, 10)
      assert.strictEqual((yield* herd.stats).workers.size, 2)
    })
  )

  it.effect("an idle herd with resources sets no timer when nothing is due", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let sleeps = 0
      const counting: Clock.Clock = Object.assign(Object.create(clock), {
        sleep: (duration: Duration.Duration) => {
          sleeps++
          return clock.sleep(duration)
        }
      })
      const idle = ResourcePool.make("idle", {
        onCreate: Effect.succeed({}),
        size: 4,
        maxLifetime: "never",
        idleTimeToLive: "never"
      })
      const pool = yield* Effect.provideService(idle, Clock.Clock, counting)
      yield* pool.use(() => Effect.void)
      const before = sleeps
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(sleeps, before)
    })
  )

  it.live("a timer that is cancelled leaves no sleep behind", () =>
    Effect.gen(function* () {
      let sleeping = 0
      const clock = yield* Clock.Clock
      const counting: Clock.Clock = Object.assign(Object.create(clock), {
        sleep: (duration: Duration.Duration) =>
          Effect.ensuring(
            Effect.suspend(() => (sleeping++, clock.sleep(duration))),
            Effect.sync(() => sleeping--)
          )
      })
      const timers = Timers.make(counting, Context.empty())
      const slot = timers.schedule(timers.now() + 60_000, () => {})
      assert.strictEqual(sleeping, 1)
      timers.cancel(slot)
      yield* Effect.sleep(1)
      assert.strictEqual(sleeping, 0)
      let fired = false
      timers.schedule(timers.now() + 1, () => {
        fired = true
      })
      yield* Effect.sleep(20)
      assert.isTrue(fired)
    })
  )

  it.live("virtual time does not go back silently", () =>
    Effect.gen(function* () {
      const back = Effect.andThen(TestClock.adjust("2 hours"), TestClock.setTime(3_600_000))
      const exit = yield* Effect.exit(virtual(back, { limit: "1 day" }))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "time does not go back")
    })
  )
})

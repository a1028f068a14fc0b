import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Lemmings, type ScalingPolicy, SystemMetrics } from "../../src/index.ts"
import { virtual, VirtualTime } from "../../src/testing/index.ts"
import { readingOf } from "../support/scaling.ts"
import { closing, decisions, free, type Options, owning, settling } from "../support/settling.ts"
import { fork, listen, settled } from "./support.ts"

describe("promise 9: scaling settles", () => {
  settling(1)

  it.effect("at rest nothing polls: not one timer is left", () =>
    Effect.gen(function* () {
      const time = yield* VirtualTime
      const herd = yield* free({ workers: { min: 1, max: 8 } })
      yield* time.fastForward(herd.runAll(Array.from({ length: 20 }, () => Effect.sleep("1 second"))))
      assert.isAbove((yield* herd.stats).workers.size, 1)

      const waiting = yield* Effect.exit(time.fastForward(Effect.never, { limit: "365 days" }))

      assert.include(String(waiting), "no timer is set")
      assert.isBelow(yield* Clock.currentTimeMillis, 60_000)
      assert.strictEqual((yield* herd.stats).workers.size, 1)
    }).pipe(Effect.scoped, Effect.provide(VirtualTime.layer()))
  )

  it.effect("a task that is longer than all before it holds up nobody for ever", () =>
    virtual(
      Effect.gen(function* () {
        const herd = yield* owning({ workers: { min: 1, max: 4 } })
        for (let i = 0; i < 100; i++) yield* herd.run(Effect.sleep(1))
        yield* herd.submit(Effect.sleep("1 hour"))
        const began = yield* Clock.currentTimeMillis

        yield* herd.run(Effect.void)

        assert.isAtMost((yield* Clock.currentTimeMillis) - began, 2000)
      }).pipe(Effect.scoped)
    )
  )
})

describe("promise 9: callers decide", () => {
  const busy = Array.from({ length: 12 }, () => Effect.sleep("1 minute"))

  it.effect('resize wins over the policy, for any load and any time, until resize("auto")', () =>
    Effect.gen(function* () {
      const herd = yield* free({ workers: { min: 1, max: 8 } })
      yield* herd.resize(3)
      yield* fork(herd.runAll(busy))
      yield* TestClock.adjust("90 seconds")
      const pinned = yield* herd.stats
      assert.deepStrictEqual([pinned.workers.size, pinned.tasks.running, pinned.scaling.pinned], [3, 3, true])

      yield* herd.resize("auto")
      const freed = yield* herd.stats
      assert.deepStrictEqual([freed.workers.size, freed.tasks.running, freed.scaling.pinned], [8, 8, false])

      yield* herd.resize(2)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* herd.stats).workers.size, 2, "not back to min either")
      yield* herd.resize("auto")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* herd.stats).workers.size, 1)
      const by = (yield* herd.history).map(({ by, to }) => `${by} ${to}`)
      assert.deepStrictEqual(by, ["start 1", "resize 3", "instant 8", "resize 2", "instant 1"])
    })
  )

  it.effect("setBounds wins over both, and lets the policy choose within", () =>
    Effect.gen(function* () {
      const herd = yield* free({ workers: { min: 1, max: 8 } })
      yield* herd.resize(8)
      yield* fork(herd.runAll(busy))
      yield* herd.setBounds({ min: 2, max: 5 })
      const { scaling, workers } = yield* herd.stats
      assert.deepStrictEqual([workers.target, workers.size, scaling.pinned], [5, 5, false])

      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* herd.stats).workers.size, 2, "the floor is kept")
      yield* herd.setBounds({ min: 6, max: 9 })
      assert.strictEqual((yield* herd.stats).workers.size, 6)
      const history = yield* herd.history
      assert.deepStrictEqual(
        history.filter(({ by }) => by === "setBounds").map(({ from, reason, to }) => [from, to, reason]),
        [
          [8, 5, "2 to 5 allowed"],
          [2, 6, "6 to 9 allowed"]
        ]
      )
    })
  )

  it.effect("from 0 workers the first task starts one in the same instant, and they go again", () =>
    Effect.gen(function* () {
      for (const build of [free, owning]) {
        const herd = yield* build({ workers: { min: 0, max: 4 } })
        assert.strictEqual((yield* herd.stats).workers.size, 0)
        const began = yield* Clock.currentTimeMillis
        const first = yield* fork(Effect.andThen(herd.run(Effect.void), Clock.currentTimeMillis))
        yield* settled
        assert.deepStrictEqual(first.pollUnsafe(), Exit.succeed(began))
        yield* TestClock.adjust("20 minutes")
        assert.strictEqual((yield* herd.stats).workers.size, 0)
        const second = yield* fork(herd.run(Effect.succeed("again")))
        yield* settled
        assert.deepStrictEqual(second.pollUnsafe(), Exit.succeed("again"))
      }
    })
  )

  it.effect("a herd that somebody set to 0 stays at 0 whoever comes", () =>
    Effect.gen(function* () {
      for (const build of [free, owning]) {
        const herd = yield* build({ workers: { min: 0, max: 4 } })
        yield* herd.resize(0)
        const tasks = yield* fork(herd.runAll([Effect.void, Effect.void]))
        yield* TestClock.adjust("1 day")
        const { tasks: counts, workers } = yield* herd.stats
        assert.deepStrictEqual([workers.size, counts.queued], [0, 2])
        yield* herd.resize("auto")
        yield* settled
        assert.isDefined(tasks.pollUnsafe())
      }
    })
  )

  it.effect("tasks that wait for room in a queue of 0 get workers, too", () =>
    Effect.gen(function* () {
      for (const build of [free, owning]) {
        const herd = yield* build({ workers: { min: 0, max: 4 }, queue: { capacity: 0 } })
        yield* Effect.forEach([1, 2, 3], () => fork(herd.run(Effect.sleep("1 minute"))))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* herd.stats).tasks.running, 3)
      }
    })
  )

  it.effect("burst workers leave first, the one that is idle longest before the others", () =>
    Effect.gen(function* () {
      const herd = yield* owning({ scaling: "fixed", workers: { min: 2, max: 6, initial: 6 }, reuse: "fifo" })
      const events = yield* listen(herd)
      yield* settled
      // Workers 1 to 3 have been used since: 4, 5 and 6 are idle for longer.
      yield* Effect.forEach([1, 2, 3], () => herd.run(Effect.void))
      for (const size of [4, 1]) {
        yield* herd.resize(size)
        yield* settled
      }
      const gone = events.flatMap((event) =>
        event._tag === "WorkerStopped" ? [[event.workerId, event.burst]] : []
      )
      assert.deepStrictEqual(gone, [
        [4, true],
        [5, true],
        [6, true],
        [3, true],
        [1, false]
      ])
      const { base, burst, size } = (yield* herd.stats).workers
      assert.deepStrictEqual([base, burst, size], [1, 0, 1])
    })
  )

  it.effect("whoever stays is a base worker as long as there are not enough of them", () =>
    Effect.gen(function* () {
      const herd = yield* owning({ scaling: "fixed", workers: { min: 2, max: 6, initial: 5 } })
      yield* settled
      for (const [min, max, base, burst] of [
        [4, 6, 4, 1],
        [0, 6, 0, 5],
        [1, 3, 1, 2],
        [3, 3, 3, 0]
      ] as const) {
        yield* herd.setBounds({ min, max })
        yield* settled
        const { workers } = yield* herd.stats
        assert.deepStrictEqual([workers.base, workers.burst], [base, burst])
      }
    })
  )
})

describe("promise 9: what goes wrong changes nothing", () => {
  const wrong: Record<string, (target: number) => number> = {
    throws: () => {
      throw new Error("no idea")
    },
    "answers NaN": () => NaN,
    "answers half a worker": (target) => target + 0.5
  }
  for (const [what, answer] of Object.entries(wrong)) {
    it.effect(`a policy that ${what} is reported once, until it is well again`, () =>
      Effect.gen(function* () {
        let well = false
        // Not by way of make, which would put right what it can.
        const scaling: ScalingPolicy.ScalingPolicy = {
          name: "moody",
          parameters: {},
          targetWait: 0,
          readsSystem: false,
          initial: undefined,
          decide: ({ workers: { target } }) => [
            { target: well ? 4 : answer(target), reason: "moody" },
            undefined
          ]
        }
        const herd = yield* free({ scaling, workers: { min: 1, max: 8, initial: 2 } })
        const events = yield* listen(herd)
        const reported = () => events.filter(({ _tag }) => _tag === "PartFailed").length
        yield* fork(herd.runAll(Array.from({ length: 9 }, () => Effect.sleep("1 minute"))))
        yield* TestClock.adjust("30 seconds")
        yield* settled
        assert.strictEqual((yield* herd.stats).workers.target, 2)
        assert.strictEqual(reported(), 1)

        well = true
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* herd.stats).workers.target, 4)
        well = false
        yield* TestClock.adjust("10 seconds")
        yield* settled
        assert.strictEqual(reported(), 2)
        assert.strictEqual((yield* herd.stats).workers.target, 4)
      })
    )
  }

  const metered = (reading: () => ReturnType<typeof readingOf>, options: Options) =>
    free({ scaling: "memory", ...options }).pipe(
      Effect.provide(Layer.succeed(SystemMetrics, { read: reading }))
    )

  it.effect("readings that make no sense change nothing and are reported once", () =>
    Effect.gen(function* () {
      let memory = NaN
      const herd = yield* metered(() => readingOf({ memory }), { workers: { min: 1, max: 8 } })
      const events = yield* listen(herd)
      yield* fork(herd.runAll(Array.from({ length: 9 }, () => Effect.sleep("1 hour"))))
      yield* TestClock.adjust("1 minute")
      yield* settled
      assert.strictEqual((yield* herd.stats).workers.target, 1)
      assert.strictEqual(events.filter(({ _tag }) => _tag === "PartFailed").length, 1)
      memory = 0.1
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* herd.stats).workers.target, 2)
    })
  )

  it.effect("memory that runs out stops dispatch, and dispatch goes on when there is some again", () =>
    Effect.gen(function* () {
      let memory = 0.5
      const herd = yield* metered(() => readingOf({ memory }), { workers: { min: 1, max: 8, initial: 4 } })
      const events = yield* listen(herd)
      yield* fork(herd.runAll(Array.from({ length: 9 }, () => Effect.sleep("1 minute"))))
      memory = 0.97
      yield* TestClock.adjust("1 second")
      const low = yield* herd.stats
      assert.deepStrictEqual([low.paused, low.scaling.paused, low.tasks.running], [true, true, 4])
      yield* TestClock.adjust("2 minutes")
      assert.deepInclude((yield* herd.stats).tasks, { running: 0, queued: 5 })
      memory = 0.5
      yield* TestClock.adjust("1 second")
      const enough = yield* herd.stats
      assert.deepStrictEqual([enough.paused, enough.scaling.paused], [false, false])
      assert.isAbove(enough.tasks.running, 0)
      yield* settled
      assert.deepStrictEqual(
        events.flatMap(({ _tag }) => (_tag === "Paused" || _tag === "Resumed" ? [_tag] : [])),
        ["Paused", "Resumed"]
      )
      assert.isTrue(decisions(events).some(({ paused, reason }) => paused && reason.includes("97 %")))
    })
  )

  it.effect("the policy's pause and the caller's do not undo each other", () =>
    Effect.gen(function* () {
      let memory = 0.5
      const herd = yield* metered(() => readingOf({ memory }), { workers: { min: 2, max: 8 } })
      const ran = yield* fork(Effect.andThen(Effect.sleep(1), herd.run(Effect.void)))
      const keep = yield* herd.submit(Effect.sleep("1 hour"))
      const state = Effect.map(herd.stats, ({ paused, scaling }) => [paused, scaling.paused])
      memory = 0.97
      yield* TestClock.adjust("1 second")
      yield* herd.resume
      assert.deepStrictEqual(yield* state, [true, true], "the caller cannot end what the policy wants")
      yield* herd.pause
      memory = 0.5
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* state, [true, false], "nor the policy what the caller wants")
      yield* herd.resume
      assert.deepStrictEqual(yield* state, [false, false])
      yield* Fiber.join(ran)

      memory = 0.97
      yield* TestClock.adjust("1 second")
      yield* herd.resize(2)
      assert.deepStrictEqual(yield* state, [false, false], "a number that is set is used")
      yield* herd.resize("auto")
      assert.deepStrictEqual(yield* state, [true, true], "the policy has not forgotten")
      yield* keep.interrupt
    })
  )

  it.effect("a herd that a policy has paused runs what it holds when it drains", () =>
    Effect.gen(function* () {
      const herd = yield* metered(() => readingOf({ memory: 0.97 }), { workers: { min: 1, max: 8 } })
      yield* herd.submit(Effect.sleep(100))
      yield* TestClock.adjust(300)
      const task = yield* herd.submit(Effect.succeed("ran"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* task.status, "queued")
      const stopped = yield* fork(herd.stop({ drain: "1 minute" }))
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(stopped), { completed: 1, abandoned: 0 })
      assert.strictEqual(yield* task.join, "ran")
    })
  )

  it.effect("the ready-made herd scales", () =>
    Effect.gen(function* () {
      const herd = Context.get(yield* Layer.build(Lemmings.layer({ shutdown: closing })), Lemmings)
      const together = yield* fork(herd.runAll(Array.from({ length: 100 }, () => Effect.sleep("1 second"))))
      assert.strictEqual((yield* herd.stats).tasks.running, 16)
      yield* TestClock.adjust("7 seconds")
      yield* Fiber.join(together)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Layer, Scheduler } from "effect"
import { TestClock } from "effect/testing"
import { Lemmings } from "lemmings"
import {
  assertConserved,
  forEverySeed,
  interruptEverywhere,
  runSeeded,
  seededScheduler,
  virtual,
  VirtualTime
} from "lemmings/testing"

const message = (exit: Exit.Exit<unknown, unknown>): string =>
  exit._tag === "Success" ? "succeeded" : Cause.pretty(exit.cause)

const yields = (n: number) => Effect.replicateEffect(Effect.yieldNow, n, { discard: true })

/** Three fibers that each take two steps, and the order in which they take them. */
const race = Effect.gen(function* () {
  const seen: Array<string> = []
  const two = (name: string) =>
    Effect.gen(function* () {
      seen.push(name)
      yield* Effect.yieldNow
      seen.push(name)
    })
  const fibers = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.forkChild(two(name)))
  yield* Fiber.awaitAll(fibers)
  return seen.join("")
})

describe("virtual", () => {
  it.effect("jumps from timer to timer until the program has ended", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const say = (millis: number) =>
        Effect.andThen(
          Effect.sleep(millis),
          Effect.map(Clock.currentTimeMillis, (now) => at.push(now))
        )

      yield* virtual(Effect.all([say(3_600_000), say(5), say(5000)], { concurrency: "unbounded" }))

      assert.deepStrictEqual(at, [5, 5000, 3_600_000])
    })
  )

  it.effect("dies when everything waits and no timer is set", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(virtual(Effect.andThen(Effect.sleep(70), Effect.never)))

      assert.include(message(exit), "never ends: at 70 ms")
    })
  )

  it.effect("dies when the program goes on beyond the limit", () =>
    Effect.gen(function* () {
      const within = yield* Effect.exit(virtual(Effect.sleep("2 hours"), { limit: "2 hours" }))
      const beyond = yield* Effect.exit(virtual(Effect.sleep("2 hours"), { limit: "1 hour" }))

      assert.strictEqual(message(within), "succeeded")
      assert.include(message(beyond), "had not ended after 3600000 ms")
    })
  )

  it.effect("waits for promises that settle by themselves", () =>
    Effect.gen(function* () {
      const chain = async () => {
        for (let i = 0; i < 50; i++) await Promise.resolve()
        return "promised"
      }

      assert.strictEqual(yield* virtual(Effect.promise(chain)), "promised")
    })
  )

  it.effect("gives the program's own failure, defect or interruption back", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.exit(virtual(Effect.fail("boom"))), Exit.fail("boom"))
      assert.deepStrictEqual(yield* Effect.exit(virtual(Effect.die("defect"))), Exit.die("defect"))
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(virtual(Effect.interrupt))))
    })
  )

  it.effect("leaves a program that its caller interrupts", () =>
    Effect.gen(function* () {
      const left = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        virtual(
          Effect.forever(Effect.yieldNow).pipe(Effect.onInterrupt(() => Deferred.succeed(left, undefined)))
        ),
        { startImmediately: true }
      )

      yield* Fiber.interrupt(fiber)

      yield* Deferred.await(left)
    })
  )

  it.effect("gives an interrupted program the time that its finalizers need", () =>
    Effect.gen(function* () {
      let cleaned = 0
      const program = Effect.onInterrupt(Effect.forever(Effect.yieldNow), () =>
        Effect.andThen(
          Effect.sleep("1 hour"),
          Effect.map(Clock.currentTimeMillis, (now) => {
            cleaned = now
          })
        )
      )
      const fiber = yield* Effect.forkChild(virtual(program), { startImmediately: true })

      yield* Fiber.interrupt(fiber)

      assert.strictEqual(cleaned, 3_600_000)
    })
  )

  it.effect("does not jump while the program moves the clock itself", () =>
    Effect.gen(function* () {
      const times = yield* virtual(
        Effect.gen(function* () {
          const sleeper = yield* Effect.forkChild(Effect.sleep("1 minute"))
          yield* TestClock.adjust("59 seconds")
          const before = [yield* Clock.currentTimeMillis, sleeper.pollUnsafe()]
          yield* Fiber.join(sleeper)
          return [...before, yield* Clock.currentTimeMillis]
        })
      )

      assert.deepStrictEqual(times, [59_000, undefined, 60_000])
    })
  )
})

describe("VirtualTime", () => {
  it.effect("settle returns when every fiber waits, however many steps that takes", () =>
    Effect.gen(function* () {
      const time = yield* VirtualTime
      let ended = false
      yield* Effect.forkChild(
        Effect.andThen(
          yields(20_000),
          Effect.sync(() => {
            ended = true
          })
        )
      )

      yield* time.settle

      assert.isTrue(ended)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }).pipe(Effect.provide(VirtualTime.layer()))
  )

  it.effect("lets all that one timer sets off end before the next one fires", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const first = Effect.gen(function* () {
        yield* Effect.sleep(1000)
        yield* yields(500)
        at.push(yield* Clock.currentTimeMillis)
      })
      yield* Effect.forkChild(first)
      yield* Effect.forkChild(Effect.sleep(1001))

      yield* TestClock.adjust("5 seconds")

      assert.deepStrictEqual(at, [1000])
      assert.strictEqual(yield* Clock.currentTimeMillis, 5000)
    }).pipe(Effect.provide(VirtualTime.layer()))
  )

  it.effect("sets the time, and wakes those who slept until before it", () =>
    Effect.gen(function* () {
      const due = yield* Effect.forkChild(Effect.sleep(100))
      const late = yield* Effect.forkChild(Effect.sleep(101))

      yield* TestClock.setTime(100)

      assert.isDefined(due.pollUnsafe())
      assert.isUndefined(late.pollUnsafe())
    }).pipe(Effect.provide(VirtualTime.layer()))
  )

  it.effect("forgets a sleep that was interrupted", () =>
    Effect.gen(function* () {
      const time = yield* VirtualTime
      const sleeper = yield* Effect.forkChild(Effect.sleep("1 hour"))
      yield* time.settle
      yield* Fiber.interrupt(sleeper)

      const exit = yield* Effect.exit(time.fastForward(Effect.never))

      assert.include(message(exit), "no timer is set")
    }).pipe(Effect.provide(VirtualTime.layer()))
  )

  it.effect("gives a herd built in it the same time", () =>
    Effect.gen(function* () {
      const herd = yield* Lemmings
      const time = yield* VirtualTime
      const task = yield* herd.submit(Effect.sleep("1 hour"), { timeout: "10 minutes" })

      const exit = yield* time.fastForward(task.await)

      assert.include(message(exit), "TaskTimeout")
      assert.strictEqual(yield* Clock.currentTimeMillis, 600_000)
    }).pipe(Effect.provide(Lemmings.layer().pipe(Layer.provideMerge(VirtualTime.layer()))))
  )
})

describe("seededScheduler", () => {
  const order = (seed: number) => Effect.provideService(race, Scheduler.Scheduler, seededScheduler(seed))

  it.effect("gives the same order for the same seed", () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 50; seed++) assert.strictEqual(yield* order(seed), yield* order(seed))
    })
  )

  it.effect("gives other orders for other seeds", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()

      for (let seed = 1; seed <= 2000; seed++) seen.add(yield* order(seed))

      // Three fibers that start in order have 15 orders of two steps each, and a seed may also hold one up.
      assert.isAbove(seen.size, 60)
    })
  )

  it.effect("runs what one fiber made ready in its order", () =>
    Effect.gen(function* () {
      const dispatcher = seededScheduler(3).makeDispatcher()
      const seen: Array<number> = []
      for (let i = 0; i < 20; i++) dispatcher.scheduleTask(() => seen.push(i), i % 2)

      dispatcher.flush()

      const even = Array.from({ length: 10 }, (_, i) => 2 * i)
      assert.deepStrictEqual(seen, [...even, ...even.map((i) => i + 1)])
    })
  )
})

describe("runSeeded", () => {
  it.effect("dies with an error that names the seed and says what failed", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(runSeeded(4711, Effect.fail("boom")))

      assert.include(message(exit), "with seed 4711")
      assert.include(message(exit), "boom")
    })
  )
})

describe("forEverySeed", () => {
  /** Reads, lets others go on, writes: loses an update in some orders. */
  const careless = Effect.gen(function* () {
    let balance = 0
    const add = Effect.gen(function* () {
      const read = balance
      yield* Effect.suspend(() => Effect.void)
      balance = read + 1
    })
    yield* Effect.all([add, add, add], { concurrency: "unbounded" })
    assert.strictEqual(balance, 3)
  })

  it.effect("finds an order that breaks, which the usual order does not show", () =>
    Effect.gen(function* () {
      yield* virtual(careless)

      assert.include(message(yield* Effect.exit(forEverySeed(200, () => careless))), "with seed")
    })
  )

  it.effect("runs the seeds it is given, and says how many", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []

      const count = yield* forEverySeed([3, 1, 4], (seed) => Effect.sync(() => seen.push(seed)))

      assert.strictEqual(count, 3)
      assert.deepStrictEqual(seen, [3, 1, 4])
    })
  )
})

describe("interruptEverywhere", () => {
  interface State {
    taken: number
    closed: boolean
  }
  const setup = Effect.acquireRelease(
    Effect.sync((): State => ({ taken: 0, closed: false })),
    (state) =>
      Effect.sync(() => {
        state.closed = true
      })
  )
  const take = (state: State) => Effect.sync(() => state.taken++)
  const give = (state: State) => Effect.sync(() => state.taken--)
  const invariant = (state: State) =>
    Effect.sync(() => {
      assert.isFalse(state.closed)
      assert.strictEqual(state.taken, 0, "what was taken is back")
    })

  it.effect("passes what gives back whenever it is interrupted, and counts its steps", () =>
    Effect.gen(function* () {
      const states: Array<State> = []

      const steps = yield* interruptEverywhere({
        setup: Effect.tap(setup, (state) => Effect.sync(() => states.push(state))),
        run: (state) =>
          Effect.acquireUseRelease(
            take(state),
            () => yields(3),
            () => give(state)
          ),
        invariant
      })

      assert.isAbove(steps, 6)
      // One for each step, and one that runs to its end.
      assert.strictEqual(states.length, steps + 1)
      assert.isTrue(
        states.every(({ closed }) => closed),
        "every scope is closed"
      )
    })
  )

  it.effect("finds the step at which something is lost", () =>
    Effect.gen(function* () {
      const careless = interruptEverywhere({
        setup,
        run: (state) =>
          take(state).pipe(
            Effect.andThen(Effect.yieldNow),
            Effect.ensuring(Effect.void),
            Effect.andThen(give(state))
          ),
        invariant
      })

      const exit = yield* Effect.exit(careless)

      assert.match(message(exit), /interrupted at step \d+: .*what was taken is back/s)
    })
  )

  it.effect("steps through fibers that were started by setup", () =>
    Effect.gen(function* () {
      const steps = (others: number) =>
        interruptEverywhere({
          setup: Effect.forkChild(Effect.andThen(Effect.yieldNow, yields(others))),
          run: Fiber.await,
          invariant: Fiber.await
        })

      assert.isAbove(yield* steps(50), (yield* steps(1)) + 40)
    })
  )

  it.effect("in virtual time dies when an interrupted run hangs", () =>
    Effect.gen(function* () {
      const hangs = interruptEverywhere({
        setup: Effect.void,
        run: () => Effect.onInterrupt(Effect.yieldNow, () => Effect.never),
        invariant: () => Effect.void
      })

      assert.include(message(yield* Effect.exit(virtual(hangs))), "never ends")
    })
  )
})

describe("assertConserved", () => {
  const stats = Effect.provide(
    Effect.flatMap(Lemmings, (herd) => Effect.andThen(herd.run(Effect.void), herd.stats)),
    Lemmings.layer({ scaling: "fixed" })
  )

  it.effect("accepts the figures of a herd", () => Effect.map(stats, assertConserved))

  it.effect("throws when a task is counted twice, and shows the sum", () =>
    Effect.gen(function* () {
      const { tasks, ...rest } = yield* stats

      assert.throws(
        () => assertConserved({ ...rest, tasks: { ...tasks, queued: 1 } }),
        "herd lemmings/Lemmings: 1 submitted, but 1 queued + 0 delayed + 0 running + 1 succeeded"
      )
    })
  )

  it.effect("throws when a count is negative, although the sum is right", () =>
    Effect.gen(function* () {
      const { tasks, ...rest } = yield* stats

      assert.throws(
        () => assertConserved({ ...rest, tasks: { ...tasks, queued: -1, running: 1 } }),
        "-1 queued"
      )
    })
  )

  it.effect("throws when a worker or a resource is counted in no place", () =>
    Effect.gen(function* () {
      const { resources, workers, ...rest } = yield* stats

      assert.throws(
        () => assertConserved({ ...rest, resources, workers: { ...workers, idle: workers.idle - 1 } }),
        "16 size, but 15 idle"
      )
      assert.throws(
        () => assertConserved({ ...rest, workers, resources: { ...resources, alive: 1 } }),
        "0 created, but 0 destroyed + 1 alive make 1"
      )
    })
  )
})

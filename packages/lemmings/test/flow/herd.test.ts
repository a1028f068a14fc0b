// Flow control of a whole herd, by behaviour. The names say where each scenario comes from.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Lemmings } from "../../src/index.ts"
import { fork, Gauge, settled } from "../promises/support.ts"
import { flow, owning, strict } from "./support.ts"

const each = <A>(count: number, f: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => f(i))

describe("fairness", () => {
  it.effect("one task behind 100,000 of another tenant starts within two service times", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, queue: { order: "fair" } })
      yield* fork(
        herd.runAll(
          each(100_000, () => Effect.sleep(100)),
          { key: "large" }
        )
      )
      yield* TestClock.adjust(1_000)
      const asked = yield* Clock.currentTimeMillis
      const small = yield* fork(herd.run(Clock.currentTimeMillis, { key: "small" }))
      yield* TestClock.adjust(1_000)
      assert.isAtMost((yield* Fiber.join(small)) - asked, 200)
    })
  )

  it.effect("fifty tenants with backlogs 1 to 50 get the same", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 10 }, queue: { order: "fair" } })
      const served = new Map<string, number>()
      yield* herd.pause
      for (let tenant = 1; tenant <= 50; tenant++) {
        const key = `t${tenant}`
        const work = Effect.andThen(
          Effect.sleep(10),
          Effect.sync(() => served.set(key, (served.get(key) ?? 0) + 1))
        )
        yield* fork(
          herd.runAll(
            each(tenant * 20, () => work),
            { key }
          )
        )
      }
      yield* herd.resume
      // As long as everybody has something: the smallest has 20.
      yield* TestClock.adjust(10 * 90)
      const shares = each(50, (index) => served.get(`t${index + 1}`) ?? 0)
      const sum = shares.reduce((a, b) => a + b, 0)
      const squares = shares.reduce((a, b) => a + b * b, 0)
      assert.isAtLeast(sum ** 2 / (50 * squares), 0.98)
    })
  )

  it.effect("equal counts, ten times the work: with cost time both get the same worker-seconds", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, queue: { order: "fair", cost: "time" } })
      const worked = { slow: 0, fast: 0 }
      const tasks = (key: "slow" | "fast", millis: number) =>
        herd.runAll(
          each(2_000, () =>
            Effect.andThen(
              Effect.sleep(millis),
              Effect.sync(() => (worked[key] += millis))
            )
          ),
          { key, label: key }
        )
      yield* herd.pause
      yield* fork(tasks("slow", 100))
      yield* fork(tasks("fast", 10))
      yield* herd.resume
      yield* TestClock.adjust(8_000)
      assert.closeTo(worked.slow / (worked.slow + worked.fast), 0.5, 0.03)
    })
  )
})

describe("limits by key", () => {
  it.effect("hold while finalizers run, also of a timeout, and through a change of size", () =>
    Effect.gen(function* () {
      const gauge = new Gauge()
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 2 } } })
      const slowEnd = gauge.during(Effect.onExit(Effect.never, () => Effect.sleep("3 seconds")))
      yield* fork(
        herd.runAll(
          each(12, () => slowEnd),
          { key: "a", timeout: 500, mode: "settle" }
        )
      )
      yield* herd.resize(3)
      yield* TestClock.adjust("5 seconds")
      yield* herd.resize(8)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(gauge.most, 2)
      assert.strictEqual((yield* herd.stats).tasks.failed, 12)
    })
  )

  it.effect("a thousand held tasks of one key keep one worker (solid_queue)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        scaling: "instant",
        workers: { min: 0, max: 50 },
        limits: { perKey: { concurrency: 1 } }
      })
      yield* fork(
        herd.runAll(
          each(1_000, () => Effect.sleep(100)),
          { key: "a" }
        )
      )
      for (let turn = 0; turn < 20; turn++) {
        yield* TestClock.adjust(50)
        const { tasks, workers } = yield* herd.stats
        assert.strictEqual(workers.size, 1)
        assert.isAbove(tasks.held, 0)
        assert.strictEqual(tasks.ready + tasks.held, tasks.queued + tasks.admitting)
      }
      const decided = (yield* herd.history).map(({ to }) => to)
      assert.isNotEmpty(decided)
      assert.isTrue(decided.every((to) => to <= 1))
    })
  )

  it.effect("per key and whole together, the whole not multiplied by keys (trigger.dev, pg-boss)", () =>
    Effect.gen(function* () {
      const all = new Gauge()
      const one = new Gauge()
      const herd = yield* flow({
        workers: { max: 64 },
        limits: { weight: 10, perKey: { concurrency: 1 } }
      })
      yield* fork(
        Effect.forEach(
          each(400, (index) => `key-${index % 20}`),
          (key) => {
            const work = all.during(Effect.sleep(50))
            return herd.run(key === "key-0" ? one.during(work) : work, { key })
          },
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust(500)
      assert.deepStrictEqual([all.most, one.most], [10, 1])
    })
  )

  it.effect("ordered: the next of a key starts when the one before has ended, retries included (river)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { ordered: true } } })
      const log: Array<string> = []
      let failures = 2
      const first = Effect.suspend(() => {
        log.push("a1")
        return failures-- > 0 ? Effect.fail("again") : Effect.void
      })
      yield* fork(herd.run(first, { key: "a", retry: Schedule.spaced(1_000) }))
      yield* fork(
        herd.run(
          Effect.sync(() => log.push("a2")),
          { key: "a" }
        )
      )
      yield* fork(
        herd.run(
          Effect.sync(() => log.push("b1")),
          { key: "b" }
        )
      )
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(log, ["a1", "b1", "a1", "a1", "a2"])
    })
  )

  it.effect("a caller who leaves while held takes no token, no seat, and leaves no record (p-queue)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        limits: { perKey: { rate: { limit: 1, per: "1 second" } } }
      })
      yield* herd.run(Effect.void, { key: "a" })
      const waiters = yield* Effect.forEach(
        each(50, (n) => n),
        () => fork(herd.run(Effect.void, { key: "a" }))
      )
      yield* Fiber.interruptAll(waiters)
      const began = yield* Clock.currentTimeMillis
      const last = yield* fork(herd.run(Clock.currentTimeMillis, { key: "a" }))
      yield* TestClock.adjust("5 seconds")
      assert.isAtMost((yield* Fiber.join(last)) - began, 1_001)
      yield* TestClock.adjust("5 seconds")
      yield* herd.run(Effect.void)
      assert.deepStrictEqual(yield* herd.keys(), [])
    })
  )

  it.effect("runNow counts in its key's seats and asks nobody", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 1 } } })
      yield* fork(herd.runNow(Effect.sleep(1_000), { key: "a" }))
      yield* settled
      const waits = yield* fork(herd.run(Effect.void, { key: "a" }))
      yield* settled
      assert.strictEqual((yield* herd.stats).tasks.held, 1)
      yield* fork(herd.runNow(Effect.sleep(500), { key: "a" }))
      yield* settled
      assert.strictEqual((yield* herd.stats).tasks.running, 2)
      yield* TestClock.adjust(1_000)
      yield* Fiber.join(waits)
    })
  )

  it.effect("runNow asks no limit where an idle worker has to be looked at first", () =>
    Effect.gen(function* () {
      const herd = yield* owning({
        onCreate: Effect.succeed("one"),
        validate: () => Effect.succeed(true),
        workers: { min: 1, max: 4 },
        limits: { perKey: { concurrency: 1 } }
      })
      yield* herd.run(Effect.void)
      yield* herd.hold("a", "1 hour")
      yield* TestClock.adjust("1 minute")
      const now = yield* fork(herd.runNow(Effect.succeed("ran"), { key: "a" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(now.pollUnsafe(), Exit.succeed("ran"))
    })
  )

  it.effect("explain tells of every state: room, order, worker, limits, a delay, a pause", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 1 },
        queue: { capacity: 1 },
        limits: { perKey: { concurrency: 1, queue: 5 } }
      })
      const why = (id: string) => Effect.map(herd.explain(id), (known) => [...(known?.blockedBy ?? ["gone"])])
      const retry = Schedule.spaced("10 seconds")
      yield* fork(Effect.exit(herd.run(Effect.fail("no"), { id: "delayed", key: "d", retry })))
      yield* settled
      assert.deepStrictEqual(yield* why("delayed"), ["delay"])
      assert.strictEqual((yield* herd.explain("delayed"))?.opensInMillis, 10_000)
      yield* fork(herd.run(Effect.sleep("1 minute"), { id: "running", key: "a" }))
      yield* fork(herd.run(Effect.void, { id: "next", key: "b" }))
      yield* fork(herd.run(Effect.void, { id: "room", key: "c" }))
      yield* fork(herd.run(Effect.void, { id: "held", key: "a" }))
      yield* settled
      assert.deepStrictEqual(yield* why("running"), [])
      assert.deepStrictEqual(yield* why("next"), ["worker"])
      assert.deepStrictEqual(yield* why("room"), ["worker", "room", "order"])
      assert.deepStrictEqual(yield* why("held"), ["concurrency", "room"])
      assert.include((yield* herd.explain("held"))!.sentence, `Key "a" runs as much as it may`)
      yield* herd.pause
      assert.deepStrictEqual(yield* why("next"), ["paused"])
      assert.deepStrictEqual(yield* why("nobody"), ["gone"])
    })
  )

  it.effect("weight above the limit is refused, and says so", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ limits: { weight: 4 } })
      const exit = yield* Effect.exit(herd.run(Effect.void, { weight: 5 }))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(Exit.isFailure(exit) && exit.cause), "weight must be at most 4")
      assert.strictEqual((yield* herd.stats).tasks.submitted, 0)
    })
  )
})

describe("rates", () => {
  it.effect("a key at its rate stops no other, and each is kept over time (temporal, bullmq)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        limits: { perKey: { rate: { limit: 10, per: "1 second" } } }
      })
      const counts = { a: 0, b: 0 }
      for (const key of ["a", "b"] as const)
        yield* fork(
          herd.runAll(
            each(key === "a" ? 5_000 : 20, () => Effect.sync(() => counts[key]++)),
            { key }
          )
        )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(counts.b, 20)
      yield* TestClock.adjust("98 seconds")
      assert.isAtMost(counts.a, 1_010)
      assert.isAtLeast(counts.a, 1_000)
    })
  )

  it.effect("of the herd wakes it at the earliest opening, without workers too", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        scaling: "instant",
        workers: { min: 0, max: 4 },
        idleTimeToLive: 100,
        limits: { rate: { limit: 1, per: "10 seconds" } }
      })
      yield* herd.run(Effect.void)
      const second = yield* fork(herd.run(Clock.currentTimeMillis))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* herd.stats).workers.size, 0)
      yield* TestClock.adjust("2 seconds")
      assert.isAtMost(yield* Fiber.join(second), 10_002)
    })
  )

  it.effect("of a herd that is paused polls nothing, and goes on when it is resumed", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ limits: { perKey: { rate: { limit: 1, per: "1 second" } } } })
      yield* herd.run(Effect.void, { key: "a" })
      const second = yield* fork(herd.run(Effect.void, { key: "a" }))
      yield* settled
      yield* herd.pause
      yield* TestClock.adjust("1 hour")
      yield* herd.resume
      yield* Fiber.join(second)
    })
  )

  it.effect("with limits: reject a task that a limit would hold is refused with the time to come back", () =>
    Effect.gen(function* () {
      const herd = yield* strict({
        workers: { max: 8 },
        limits: { perKey: { rate: { limit: 1, per: "10 seconds" }, concurrency: 1 } }
      })
      yield* herd.run(Effect.void, { key: "a" })
      const error = yield* Effect.flip(herd.run(Effect.void, { key: "a" }))
      assert.strictEqual(error._tag, "RateLimited")
      assert.deepInclude(error as object, { key: "a", herd: "test/Strict" })
      assert.closeTo(error._tag === "RateLimited" ? error.retryAfterMillis : 0, 10_000, 1)
      yield* herd.run(Effect.void, { key: "b" })
      yield* TestClock.adjust("10 seconds")
      yield* herd.run(Effect.void, { key: "a" })
    })
  )

  it.live("on the real clock: 20 a second takes two seconds for 60 with a burst of 20", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { rate: { limit: 20, per: "1 second" } } })
      const began = yield* Clock.currentTimeMillis
      const at = yield* herd.runAll(each(60, () => Clock.currentTimeMillis))
      const last = Math.max(...at) - began
      assert.isAtLeast(last, 1_990)
      for (let from = 0; from < at.length; from++) {
        const within = at.filter((time) => time >= at[from]! && time < at[from]! + 1_000).length
        // Time stamps are whole milliseconds.
        assert.isAtMost(within, 20 + 20)
      }
    })
  )
})

describe("a hold", () => {
  class TooMany {
    readonly retryAfter: number
    constructor(retryAfter: number) {
      this.retryAfter = retryAfter
    }
  }
  const limits = {
    hold: (error: unknown) => (error instanceof TooMany ? error.retryAfter : undefined)
  }

  it.effect("of a 429 keeps the task's place and its attempts, and other keys go on (BullMQ)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, limits })
      let full = true
      const ran: Array<number> = []
      const call = (n: number) =>
        Effect.suspend(() => {
          ran.push(n)
          return Effect.sleep(10)
        }).pipe(
          Effect.andThen(Effect.suspend(() => (full ? Effect.fail(new TooMany(5_000)) : Effect.succeed(n))))
        )
      const handles = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => herd.submit(call(n), { key: "api" }))
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(ran, [1, 2, 3, 4])
      assert.deepInclude((yield* herd.stats).tasks, { held: 6, failed: 0, holds: 4 })
      yield* herd.run(Effect.void, { key: "other" })
      full = false
      yield* TestClock.adjust("6 seconds")
      yield* Effect.forEach(handles, ({ join }) => join)
      // A probe first, and in the old order.
      assert.deepStrictEqual(ran.slice(4), [1, 2, 3, 4, 5, 6])
      assert.deepStrictEqual(yield* Effect.forEach(handles, ({ attempts }) => attempts), [1, 1, 1, 1, 1, 1])
    })
  )

  it.effect("ends after ten of one task, with its own error", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ limits })
      let runs = 0
      const call = Effect.suspend(() => {
        runs++
        return Effect.fail(new TooMany(1_000))
      })
      const fiber = yield* fork(Effect.exit(herd.run(call, { key: "a" })))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(runs, 11)
    })
  )

  it.effect("can be asked for, seen, explained and ended", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 4 }, limits: {} })
      yield* herd.hold("a", "30 seconds")
      const task = yield* herd.submit(Effect.void, { key: "a", id: "mine" })
      const why = yield* herd.explain("mine")
      assert.deepInclude(why as object, { status: "queued", key: "a", blockedBy: ["hold"] })
      assert.isTrue(why!.opensInMillis! >= 30_000 && why!.opensInMillis! <= 33_000)
      assert.include(why!.sentence, `Key "a" is on hold. It opens in 3`)
      const [key] = yield* herd.keys()
      assert.deepInclude(key as object, { key: "a", held: 1, onHold: true })
      assert.isTrue(yield* herd.release("a"))
      yield* task.join
      assert.strictEqual(yield* herd.explain("mine"), undefined)
    })
  )

  it.effect("is refused on a herd without flow control, and keys are empty there", () =>
    Effect.gen(function* () {
      const herd = yield* Effect.map(
        Layer.build(Lemmings.layer({ shutdown: { drain: 0 } })),
        Context.get(Lemmings)
      )
      assert.strictEqual((yield* Effect.flip(herd.hold("a", 1)))._tag, "InvalidConfig")
      assert.strictEqual((yield* Effect.flip(herd.setLimits({})))._tag, "InvalidConfig")
      assert.isFalse(yield* herd.release("a"))
      assert.deepStrictEqual(yield* herd.keys(), [])
    })
  )
})

describe("limits at run time", () => {
  it.effect("are followed at once, and bad ones change nothing", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 1 } } })
      yield* fork(
        herd.runAll(
          each(8, () => Effect.sleep(1_000)),
          { key: "a" }
        )
      )
      yield* settled
      assert.strictEqual((yield* herd.stats).tasks.running, 1)
      const error = yield* Effect.flip(herd.setLimits({ perKey: { concurrency: 0 } }))
      assert.strictEqual(error.field, "limits.perKey.concurrency")
      assert.strictEqual((yield* herd.stats).tasks.running, 1)
      yield* herd.setLimits({ perKey: { concurrency: 4 } })
      assert.strictEqual((yield* herd.stats).tasks.running, 4)
      yield* herd.setLimits({})
      assert.strictEqual((yield* herd.stats).tasks.running, 8)
    })
  )
})

describe("snapshots", () => {
  it.effect("have the five largest keys, and how much of the herd each uses", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 4 },
        queue: { order: "fair" },
        limits: { perKey: { concurrency: 2 } }
      })
      for (const [n, key] of ["a", "b", "c", "d", "e", "f"].entries())
        yield* fork(
          herd.runAll(
            each(10 - n, () => Effect.sleep(100)),
            { key }
          )
        )
      yield* settled
      const { keys = [], tasks } = yield* herd.stats
      assert.deepStrictEqual(
        keys.map(({ key }) => key),
        ["a", "b", "c", "d", "e"]
      )
      assert.deepInclude(keys[0] as object, { running: 2, used: 0.5, held: 8, ready: 0 })
      assert.strictEqual(
        (yield* herd.keys()).reduce((sum, { held, ready }) => sum + held + ready, 0),
        tasks.ready + tasks.held
      )
    })
  )
})

describe("news", () => {
  it.effect("say what was held, refused and put on hold", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        limits: { hold: () => 1_000 },
        retryBudget: { ratio: 1, perSecond: 0 }
      })
      const seen: Array<string> = []
      yield* herd.events.pipe(
        Stream.runForEach(({ _tag }) => Effect.sync(() => seen.push(_tag))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* fork(Effect.exit(herd.run(Effect.fail("429"), { key: "a" })))
      yield* herd.hold("b", 5)
      yield* herd.release("b")
      yield* settled
      assert.includeMembers(seen, ["TaskHeld", "KeyHeld", "KeyReleased"])
    })
  )
})

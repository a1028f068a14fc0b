// What others have found out about flow control the hard way, by behaviour, in virtual time. The names say where it comes from.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { fork, Gauge, settled } from "../promises/support.ts"
import { flow, owning } from "./support.ts"

const each = <A>(count: number, f: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => f(i))

/** A list, and tasks that write their names there when they start. */
const journal = () => {
  const started: Array<string> = []
  const named = (name: string, millis = 100) =>
    Effect.andThen(
      Effect.sync(() => started.push(name)),
      Effect.sleep(millis)
    )
  return { started, named }
}

describe("who is next", () => {
  it.effect("keys take turns among what comes while others run (river)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 1 }, queue: { order: "fair" } })
      const { named, started } = journal()
      const add = (name: string) => herd.submit(named(name), { key: name.charAt(0) })
      yield* add("a1")
      yield* add("a2")
      yield* TestClock.adjust(150)
      for (const name of ["a3", "b1", "b2", "b3"]) yield* add(name)
      yield* TestClock.adjust(2_000)
      assert.deepStrictEqual(started, ["a1", "a2", "b1", "a3", "b2", "b3"])
    })
  )

  it.effect("age does not cross keys inside a level (temporal)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 1 }, queue: { order: "fair", ageing: "1 second" } })
      const { named, started } = journal()
      for (let n = 1; n <= 50; n++) yield* herd.submit(named("a"), { key: "a" })
      // They are all much older than what comes now.
      yield* TestClock.adjust(3_050)
      started.length = 0
      for (let n = 1; n <= 5; n++) yield* herd.submit(named("b"), { key: "b" })
      yield* TestClock.adjust(1_000)
      assert.strictEqual(started.join(""), "bababababa")
    })
  )

  it.effect(
    "one behind 100,000 starts within one service time, also where the queue is bounded (pg-boss)",
    () =>
      Effect.gen(function* () {
        const herd = yield* flow({ workers: { max: 1 }, queue: { order: "fair", capacity: 1_000 } })
        yield* fork(
          Effect.forEach(
            each(5_000, (index) => index),
            () => herd.run(Effect.sleep(100), { key: "large" }),
            { concurrency: "unbounded", discard: true }
          )
        )
        yield* TestClock.adjust(1_050)
        const asked = yield* Clock.currentTimeMillis
        const small = yield* fork(herd.run(Clock.currentTimeMillis, { key: "small" }))
        yield* TestClock.adjust(1_000)
        assert.isAtMost((yield* Fiber.join(small)) - asked, 100)
      })
  )

  it.effect("key, level, age and place survive a retry, a re-queue and a hold (good_job, bull)", () =>
    Effect.gen(function* () {
      const herd = yield* owning({
        onCreate: Effect.succeed("one"),
        checkHealth: (cause) =>
          !cause.reasons.some((reason) => reason._tag === "Fail" && reason.error === "lost"),
        workers: { min: 1, max: 1 },
        queue: { order: "fair" },
        limits: { hold: (error: unknown) => (error === "429" ? 300 : undefined) }
      })
      const started: Array<string> = []
      const failing = (name: string, errors: Array<string>) =>
        Effect.suspend(() => {
          started.push(name)
          const error = errors.shift()
          return Effect.andThen(Effect.sleep(100), error === undefined ? Effect.void : Effect.fail(error))
        })
      const low = yield* herd.submit(failing("low", []), { priority: "low" })
      yield* TestClock.adjust(10)
      yield* herd.submit(failing("first", ["lost", "429", "again"]), {
        key: "a",
        priority: "high",
        retry: Schedule.spaced(50)
      })
      for (const name of ["second", "third"])
        yield* herd.submit(failing(name, []), { key: "a", priority: "high" })
      yield* herd.submit(failing("normal", []), { key: "b" })
      yield* TestClock.adjust(3_000)
      yield* low.join
      // Whoever of key "a" waits is behind it each time that it comes back, and its level is before the others.
      assert.deepStrictEqual(started, [
        "low",
        "first",
        "first",
        "normal",
        "first",
        "second",
        "first",
        "third"
      ])
    })
  )
})

describe("how many", () => {
  it.effect("lowered below what runs nothing starts until there is room; raised, at once (hatchet)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ workers: { max: 8 }, limits: { perKey: { concurrency: 6 } } })
      const gauge = new Gauge()
      yield* fork(
        herd.runAll(
          each(40, () => gauge.during(Effect.sleep(100))),
          { key: "a" }
        )
      )
      yield* TestClock.adjust(50)
      assert.strictEqual((yield* herd.stats).tasks.running, 6)
      yield* herd.setLimits({ perKey: { concurrency: 2 } })
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* herd.stats).tasks.running, 2)
      yield* herd.setLimits({ perKey: { concurrency: 4 } })
      assert.strictEqual((yield* herd.stats).tasks.running, 4)
      yield* herd.resize(1)
      yield* TestClock.adjust(200)
      assert.strictEqual((yield* herd.stats).tasks.running, 1)
      yield* herd.resize(8)
      yield* TestClock.adjust(50)
      assert.strictEqual((yield* herd.stats).tasks.running, 4)
      assert.strictEqual(gauge.most, 6)
    })
  )

  it.effect("no worker is idle while a task may run, with caps that give way (elixirforum)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 4 },
        queue: { order: "fair" },
        limits: { perKey: { concurrency: 1, burst: true } }
      })
      for (const key of ["a", "b"])
        yield* fork(
          herd.runAll(
            each(20, () => Effect.sleep(100)),
            { key }
          )
        )
      let ticks = 0
      for (; (yield* herd.stats).queue.depth > 0; ticks++) {
        const { tasks, workers } = yield* herd.stats
        assert.isTrue(tasks.ready === 0 || workers.idle === 0)
        assert.strictEqual(workers.busy, 4)
        yield* TestClock.adjust(25)
      }
      assert.isAtLeast(ticks, 30)
    })
  )

  it.effect(
    "ordered: what fails for good lets the next go on, and a retry blocks its key only (pg-boss)",
    () =>
      Effect.gen(function* () {
        const herd = yield* flow({ workers: { max: 4 }, limits: { perKey: { ordered: true } } })
        const { named, started } = journal()
        const retry = Schedule.spaced(1_000).pipe(Schedule.upTo({ times: 1 }))
        const fails = Effect.andThen(named("a1"), Effect.fail("no"))
        yield* herd.submit(fails, { key: "a", retry })
        yield* herd.submit(named("a2"), { key: "a" })
        yield* herd.submit(named("b1"), { key: "b" })
        yield* TestClock.adjust(500)
        yield* herd.submit(named("b2"), { key: "b" })
        yield* TestClock.adjust(5_000)
        assert.deepStrictEqual(started, ["a1", "b1", "b2", "a1", "a2"])
        // One that is interrupted while its retry is due gives its turn up.
        const waits = yield* herd.submit(fails, { key: "c", retry })
        yield* herd.submit(named("c2"), { key: "c" })
        yield* TestClock.adjust(500)
        yield* waits.interrupt
        yield* settled
        assert.strictEqual(started.at(-1), "c2")
      })
  )
})

describe("how often", () => {
  it.effect("two rates of a herd and one of a key hold together (bottleneck)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 64 },
        limits: {
          rate: [
            { limit: 10, per: "1 second", window: "sliding" },
            { limit: 60, per: "10 seconds", window: "sliding" }
          ],
          perKey: { rate: { limit: 4, per: "1 second", window: "sliding" } }
        }
      })
      const at = { a: [] as Array<number>, b: [] as Array<number>, c: [] as Array<number> }
      for (const key of ["a", "b", "c"] as const)
        yield* fork(
          herd.runAll(
            each(100, () => Effect.map(Clock.currentTimeMillis, (now) => at[key].push(now))),
            { key }
          )
        )
      yield* TestClock.adjust("30 seconds")
      const all = [...at.a, ...at.b, ...at.c].toSorted((x, y) => x - y)
      const most = (times: ReadonlyArray<number>, span: number) =>
        Math.max(
          ...times.map((from, first) => times.filter((time, n) => n >= first && time < from + span).length)
        )
      assert.deepStrictEqual([most(all, 1_000), most(all, 10_000)], [10, 60])
      assert.isAtMost(Math.max(most(at.a, 1_000), most(at.b, 1_000), most(at.c, 1_000)), 4)
      // As much as they let.
      assert.isAtLeast(all.length, 170)
    })
  )

  it.effect("the wall clock set back neither stops nor opens a rate (sidekiq)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ limits: { rate: { limit: 1, per: "10 seconds" } } })
      yield* TestClock.setTime(100 * 3_600_000)
      yield* herd.run(Effect.void)
      const second = yield* fork(herd.run(Effect.void))
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(second.pollUnsafe(), Exit.void)
    })
  )

  it.effect("a rate of 0 starts nothing, and one that is raised owes nothing (bottleneck)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({ limits: { perKey: { rate: { limit: 0, per: "1 second" } } } })
      const waits = yield* fork(herd.run(Effect.void, { key: "a" }))
      yield* TestClock.adjust("1 day")
      assert.isUndefined(waits.pollUnsafe())
      assert.deepStrictEqual(
        (yield* herd.keys()).map(({ held, key }) => [key, held]),
        [["a", 1]]
      )
      yield* herd.setLimits({ perKey: { rate: { limit: 5, per: "1 second" } } })
      yield* Fiber.join(waits)
    })
  )
})

describe("a 429", () => {
  class Busy {
    readonly millis: number
    constructor(millis: number) {
      this.millis = millis
    }
  }
  const limits = {
    perKey: { concurrency: 3 },
    hold: (error: unknown) => (error instanceof Busy ? error.millis : undefined)
  }

  it.effect(
    "holds for the longest that was said; a late one changes nothing, and the cap is what it was (BullMQ)",
    () =>
      Effect.gen(function* () {
        const herd = yield* flow({ workers: { max: 8 }, limits })
        const gauge = new Gauge()
        let refuses = true
        const began: Array<number> = []
        const call = (millis: number, retryAfter: number) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            began.push(now)
            const refused = refuses
            return gauge
              .during(Effect.sleep(millis))
              .pipe(
                Effect.andThen(
                  Effect.suspend(() => (refused ? Effect.fail(new Busy(retryAfter)) : Effect.void))
                )
              )
          })
        yield* herd.submit(call(10, 1_000), { key: "api", id: "quick" })
        yield* herd.submit(call(500, 10_000), { key: "api" })
        // Its 429 comes when the hold is over.
        yield* herd.submit(call(20_000, 3_600_000), { key: "api" })
        yield* TestClock.adjust(500)
        refuses = false
        const why = yield* herd.explain("quick")
        assert.deepStrictEqual([...why!.blockedBy], ["hold"])
        assert.isTrue(why!.opensInMillis! > 9_900 && why!.opensInMillis! <= 11_000)
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual((yield* herd.stats).tasks.succeeded, 3)
        assert.strictEqual((yield* herd.stats).tasks.holds, 3)
        gauge.most = 0
        yield* fork(
          herd.runAll(
            each(9, () => call(100, 0)),
            { key: "api" }
          )
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(gauge.most, 3)
      })
  )
})

describe("callers who leave while they are held", () => {
  it.effect("burn no token: not one of 1,000 (p-queue)", () =>
    Effect.gen(function* () {
      const herd = yield* flow({
        workers: { max: 8 },
        limits: { rate: { limit: 10, per: "1 second" }, perKey: { rate: { limit: 10, per: "1 second" } } }
      })
      let ran = 0
      const work = Effect.sync(() => void ran++)
      for (let turn = 0; turn < 100; turn++) {
        const waiters = yield* Effect.forEach(
          each(10, (n) => n),
          () => fork(herd.run(Effect.andThen(Effect.sleep(1), work), { key: `k${turn % 3}` }))
        )
        yield* Effect.forEach(waiters, Fiber.interrupt, { concurrency: "unbounded", discard: true })
      }
      // Those that had begun took theirs: at most ten.
      yield* TestClock.adjust("1 second")
      const before = ran
      yield* fork(
        Effect.forEach(
          each(100, (n) => n),
          (n) => herd.run(work, { key: `x${n}` }),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(ran - before, 100)
      yield* TestClock.adjust("1 hour")
      yield* herd.run(Effect.void)
      assert.deepStrictEqual(yield* herd.keys(), [])
    })
  )
})

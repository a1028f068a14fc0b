import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Herd, ScalingPolicy } from "lemmings"
import type { HerdMetrics, HerdStats } from "lemmings/HerdStats"
import { rules } from "../src/conditions/Rules.ts"
import { conditions, unready, Watch } from "../src/conditions/Watch.ts"
import * as Sights from "../src/frames/Sights.ts"
import { decode } from "../src/model/Settings.ts"
import { alone, Db, herd } from "./support/control.ts"
import { queue } from "./support/queue.ts"

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

class Connection extends Context.Service<Connection, { readonly n: number }>()("test/Connection") {}
class Owning extends Herd.Service<Owning>()("app/Owning", { resource: Connection }) {}
class Limited extends Herd.Service<Limited>()("app/Limited") {}

const owning = (options: {
  readonly workers: { readonly min: number; readonly max: number }
  readonly onCreate: () => Effect.Effect<{ readonly n: number }, Error>
  readonly onDestroy?: () => Effect.Effect<void>
}) =>
  Effect.map(
    Layer.build(Owning.layer({ ...options, shutdown: { drain: 0, interrupt: 0, destroy: 100 } })),
    Context.get(Owning)
  )

/** Time in which a herd is seen as it was before. */
const seen = TestClock.adjust("2 seconds")

/** The alerts that are told, at two frames: what both agree on. */
const told = (sights: Sights.Sights) =>
  Effect.gen(function* () {
    const one = yield* sights.current
    yield* TestClock.adjust(100)
    const other = yield* sights.current
    const names = ({ problems }: Sights.Sight) => problems.map(({ alert }) => alert)
    return { first: names(one), second: names(other), problems: other.problems }
  })

const watched = Effect.flatMap(decode({ withoutToken: "local", exposeErrors: true }), Sights.make)

/** Never wants more than one worker. */
const lazy = ScalingPolicy.make({
  name: "lazy",
  initial: 0,
  decide: (_, state) => [{ target: 1, reason: "lazy" }, state]
})

interface Fault<R> {
  /** Makes the herd and its fault, and returns how to mend it. */
  readonly inject: Effect.Effect<Effect.Effect<unknown>, unknown, R>
  /** How long it has to last. */
  readonly lasts?: number
  readonly says: RegExp
  readonly remedy: string
  /** Where no error of this can be expected. */
  readonly error?: RegExp
}

const faults: Readonly<Record<string, Fault<Scope.Scope>>> = {
  LemmingsNoWorkers: {
    inject: Effect.gen(function* () {
      let down = true
      const own = yield* owning({
        workers: { min: 0, max: 2 },
        onCreate: () => (down ? Effect.die(new Error("ECONNREFUSED 10.0.4.7")) : Effect.succeed({ n: 1 }))
      })
      yield* own.submit(Effect.void)
      return Effect.sync(() => (down = false))
    }),
    lasts: 5_000,
    says: /^has no working worker: every onCreate fails; \d+ failures in a row · 1 task waits, the oldest for 5/,
    remedy: "open",
    error: /ECONNREFUSED/
  },
  LemmingsMostTasksFail: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db)
      let bad = true
      yield* db
        .run(Effect.suspend(() => (bad ? Effect.die(new Error("Bounced")) : Effect.void)))
        .pipe(Effect.exit, Effect.delay(100), Effect.forever, Effect.forkScoped)
      return Effect.sync(() => (bad = false))
    }),
    lasts: 3_000,
    says: /^fails 100 % of its tasks/,
    remedy: "pause",
    error: /Bounced \(\d+×\)/
  },
  LemmingsTasksFail: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db)
      let bad = true
      let n = 0
      yield* db
        .run(Effect.suspend(() => (bad && n++ % 5 === 0 ? Effect.fail("x") : Effect.void)))
        .pipe(Effect.exit, Effect.delay(100), Effect.forever, Effect.forkScoped)
      return Effect.sync(() => (bad = false))
    }),
    lasts: 10_000,
    says: /^fails 20 % of its tasks/,
    remedy: "pause",
    error: /x/
  },
  LemmingsNothingFinishes: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { workers: { min: 2, max: 2 } })
      for (let n = 0; n < 2; n++) yield* db.submit(Effect.never, { id: `stuck/${n}` })
      yield* db.submit(Effect.void)
      return db.interruptTask("stuck/0")
    }),
    lasts: 61_000,
    says: /^has all 2 workers busy, and none has finished; the longest for 1 min/,
    remedy: "open"
  },
  LemmingsResourcesFail: {
    inject: Effect.gen(function* () {
      let created = 0
      let down = true
      const own = yield* owning({
        workers: { min: 2, max: 2 },
        onCreate: () =>
          down && ++created > 1 ? Effect.die(new Error("too many clients")) : Effect.succeed({ n: 1 })
      })
      yield* own.run(Effect.void)
      return Effect.sync(() => (down = false))
    }),
    lasts: 10_000,
    says: /^has 1 working workers? and cannot create more/,
    remedy: "open",
    error: /too many clients/
  },
  LemmingsPaused: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db)
      yield* db.pause
      yield* db.submit(Effect.void)
      yield* db.submit(Effect.void)
      return db.resume
    }),
    lasts: 3_000,
    says: /^is paused while 2 tasks wait; the oldest for 3/,
    remedy: "resume"
  },
  LemmingsSizePinned: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { workers: { min: 2, max: 4 }, scaling: ScalingPolicy.littlesLaw() })
      yield* db.resize(0)
      yield* db.submit(Effect.void)
      return Effect.orDie(db.resize("auto"))
    }),
    lasts: 3_000,
    says: /^was resized by hand to 0 of 4 workers, and tasks wait/,
    remedy: "auto"
  },
  LemmingsSaturated: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { workers: { min: 1, max: 1 } })
      yield* db.submit(Effect.sleep("12 seconds"))
      yield* db.submit(Effect.void)
      return Effect.void
    }),
    lasts: 11_000,
    says: /^has all of its 1 workers?, and tasks still wait; 1 task waits/,
    remedy: "open"
  },
  LemmingsQueueFull: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { workers: { min: 1, max: 1 }, queue: { capacity: 10 } })
      for (let n = 0; n < 11; n++) yield* db.submit(Effect.sleep("1 second"))
      return Effect.void
    }),
    says: /^has a queue that is 100 % full; 10 tasks wait/,
    remedy: "open"
  },
  LemmingsTasksDropped: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { workers: { min: 1, max: 1 } })
      yield* seen
      for (let n = 0; n < 4; n++) yield* db.submit(Effect.sleep(100))
      yield* db.clear
      return Effect.void
    }),
    says: /^dropped or refused 3 tasks/,
    remedy: "open"
  },
  LemmingsKeyOnHold: {
    inject: Effect.gen(function* () {
      const built = yield* Layer.build(Limited.layer({ limits: { perKey: { concurrency: 1 } } }))
      const limited = Context.get(built, Limited)
      yield* limited.hold("tenant 7", "10 minutes")
      yield* Effect.forkScoped(Effect.exit(limited.run(Effect.void, { key: "tenant 7" })))
      yield* Effect.yieldNow
      return limited.release("tenant 7")
    }),
    lasts: 1_000,
    says: /^holds the key "tenant 7" while 1 task waits for it; opens in/,
    remedy: "release"
  },
  LemmingsHeld: {
    inject: Effect.gen(function* () {
      const built = yield* Layer.build(Limited.layer({ limits: { perKey: { concurrency: 1 } } }))
      const limited = Context.get(built, Limited)
      yield* limited.hold("a", "10 minutes")
      yield* limited.submit(Effect.void, { key: "a" })
      return limited.release("a")
    }),
    lasts: 61_000,
    says: /^holds 1 task back, and nothing of it runs; 1 task waits/,
    remedy: "open"
  },
  LemmingsRetriesRefused: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { retryBudget: { ratio: 0.01, perSecond: 0 } })
      yield* seen
      for (let n = 0; n < 4; n++)
        yield* Effect.forkScoped(Effect.exit(db.run(Effect.fail("own"), { retry: Schedule.recurs(3) })))
      return Effect.void
    }),
    lasts: 200,
    says: /^refused \d+ retries in the last 10 s/,
    remedy: "open"
  },
  LemmingsWaitsLong: {
    inject: Effect.gen(function* () {
      const db = yield* herd(Db, { workers: { min: 1, max: 4 }, scaling: lazy })
      for (let n = 0; n < 2; n++) yield* db.submit(Effect.sleep("12 seconds"))
      return Effect.void
    }),
    lasts: 11_000,
    says: /^lets a task wait for 11.1 s; 1 task waits/,
    remedy: "open"
  },
  LemmingsResourcesLeak: {
    inject: Effect.gen(function* () {
      let destroyed = 0
      const own = yield* owning({
        workers: { min: 1, max: 2 },
        onCreate: () => Effect.succeed({ n: 1 }),
        onDestroy: () => (destroyed++ === 0 ? Effect.never : Effect.void)
      })
      yield* own.run(Effect.void)
      yield* seen
      yield* own.evictAll()
      return TestClock.adjust("11 minutes")
    }),
    lasts: 1_000,
    says: /^left 1 resource behind/,
    remedy: "open"
  }
}

describe("conditions of herds", () => {
  for (const [alert, { error, inject, lasts = 0, remedy, says }] of Object.entries(faults)) {
    it.effect(`${alert}: a fault in a real herd is named within two frames, and gone when mended`, () =>
      Effect.gen(function* () {
        const sights = yield* watched
        assert.deepStrictEqual((yield* told(sights)).second, [])
        const mend = yield* Effect.orDie(inject)
        yield* TestClock.adjust(lasts)
        const now = yield* told(sights)
        assert.include(now.second, alert, JSON.stringify(now.problems))
        const problem = now.problems.find((one) => one.alert === alert)
        assert.match(`${problem?.sentence}; ${problem?.detail}`, says)
        assert.strictEqual(problem?.remedy.kind, remedy)
        if (error !== undefined) assert.match(problem?.error ?? "", error)
        yield* mend
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual((yield* told(sights)).second, [])
      }).pipe(alone)
    )
  }

  it.effect("every condition of herds is injected here", () =>
    Effect.sync(() =>
      assert.deepStrictEqual(
        Object.keys(faults).toSorted(),
        conditions
          .slice(0, Object.keys(faults).length)
          .map(({ alert }) => alert)
          .toSorted()
      )
    )
  )
})

describe("conditions of queues and of the process", () => {
  it.effect("a store that is away, a paused queue and dead letters are named, and gone when mended", () =>
    Effect.gen(function* () {
      const fake = yield* queue("app/SendEmail", 3)
      const sights = yield* watched
      const names = Effect.map(sights.current, ({ problems }) => problems.map(({ alert }) => alert))
      const until = (wanted: ReadonlyArray<string>): Effect.Effect<void> =>
        Effect.flatMap(names, (now) =>
          now.join() === wanted.join() ? Effect.void : Effect.andThen(TestClock.adjust(500), until(wanted))
        )
      yield* until(["LemmingsDeadLetters"])
      fake.letters.push(...fake.letters.slice(0, 1))
      yield* until(["LemmingsDeadLettersGrow"])
      fake.store = "away"
      yield* until(["LemmingsStoreAway"])
      const [away] = (yield* sights.current).problems
      assert.strictEqual(away?.error, "refused")
      assert.strictEqual(away?.severity, "critical")
      fake.store = "there"
      fake.letters.length = 0
      yield* until([])
    }).pipe(alone)
  )

  const look = { queue: "q", store: "postgres", ready: true, since: 0 }
  const idle = {
    paused: false,
    waiting: 0,
    delayed: 0,
    running: 0,
    deadLetters: 0,
    oldestMillis: 0,
    lastMinute: { completed: 0, failed: 0, cancelled: 0, attempts: 0 }
  }
  const queueTold = (stats: typeof idle) =>
    new Watch().queue("q", { ...look, stats }, 0, 0).map(({ alert }) => alert)

  it("jobs that fail, wait long, or wait for a paused queue", () => {
    assert.deepStrictEqual(queueTold(idle), [])
    assert.deepStrictEqual(
      queueTold({ ...idle, lastMinute: { completed: 10, failed: 10, cancelled: 0, attempts: 20 } }),
      ["LemmingsJobsFail"]
    )
    assert.deepStrictEqual(queueTold({ ...idle, waiting: 1, oldestMillis: 400_000 }), [
      "LemmingsJobsWaitLong"
    ])
    assert.deepStrictEqual(queueTold({ ...idle, waiting: 1, oldestMillis: 400_000, paused: true }), [
      "LemmingsQueuePaused"
    ])
  })

  it("an event loop that is late, and a process without memory", () => {
    const process = {
      pid: 1,
      uptimeSeconds: 1,
      cpu: 0,
      memoryUsed: 1,
      memoryLimit: 10,
      heapUsed: 1,
      heapLimit: 10,
      eventLoopUtilization: 0.1,
      eventLoopDelayMillis: 1
    }
    const names = (change: object) =>
      new Watch().process({ ...process, ...change }, 0, 0).map(({ alert }) => alert)
    assert.deepStrictEqual(names({}), [])
    assert.deepStrictEqual(names({ eventLoopUtilization: 0.99, eventLoopDelayMillis: 900 }), [
      "LemmingsEventLoopLate"
    ])
    assert.deepStrictEqual(names({ memoryUsed: 9.5 }), ["LemmingsMemoryFull"])
  })
})

const int = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("laws of conditions", () => {
  // One herd for all runs.
  const fresh = Effect.cached(
    Effect.gen(function* () {
      const db = yield* herd(Db)
      return { stats: yield* db.stats, metrics: yield* db.metrics }
    }).pipe(alone, Effect.scoped)
  ).pipe(Effect.runSync)
  const quiet = (given: { succeeded: number; idle: number; max: number }) =>
    Effect.gen(function* () {
      const { metrics, stats }: { readonly metrics: HerdMetrics; readonly stats: HerdStats } = yield* fresh
      return {
        metrics,
        stats: {
          ...stats,
          workers: {
            ...stats.workers,
            idle: given.idle,
            size: given.idle,
            max: Math.max(given.max, given.idle)
          },
          tasks: { ...stats.tasks, succeeded: given.succeeded }
        } satisfies HerdStats
      }
    })

  it.effect.prop(
    "an idle herd has no problem, whatever it has done before",
    {
      succeeded: int,
      failed: int,
      shed: int,
      rejected: int,
      leaked: int,
      createFailures: int,
      idle: int,
      max: int
    },
    (given) =>
      Effect.gen(function* () {
        const { metrics, stats } = yield* quiet(given)
        const { createFailures, failed, leaked, rejected, shed } = given
        const past = {
          ...stats,
          tasks: { ...stats.tasks, failed, shed, rejected },
          resources: { ...stats.resources, createFailures, leaked }
        }
        const watch = new Watch()
        for (let now = 0; now < 60_000; now += 5_000)
          assert.deepStrictEqual(watch.herd("h", { stats: past, metrics, keys: [] }, now, now), [])
      }).pipe(alone)
  )

  it.effect.prop(
    "what comes and goes within its calm is told all the time",
    { steps: Schema.Array(Schema.Boolean).check(Schema.isMinLength(5), Schema.isMaxLength(40)) },
    ({ steps }) =>
      Effect.gen(function* () {
        const { metrics, stats } = yield* quiet({ succeeded: 0, idle: 1, max: 1 })
        const full = (fill: number) => ({
          stats: { ...stats, queue: { ...stats.queue, capacity: 100, depth: 100 * fill, fill } },
          metrics,
          keys: []
        })
        const watch = new Watch()
        const seen: Array<boolean> = []
        let off = 0
        for (const [i, on] of [true, ...steps].entries()) {
          off = on ? 0 : off + 1
          // Never off for three seconds.
          const fill = on || off > 2 ? 0.95 : 0.1
          if (fill > 0.9) off = 0
          seen.push(
            watch.herd("h", full(fill), i * 1_000, i).some(({ alert }) => alert === "LemmingsQueueFull")
          )
        }
        assert.isTrue(seen.every((one) => one))
        const later = steps.length + 10
        watch.herd("h", full(0.1), later * 1_000, later)
        assert.deepStrictEqual(watch.herd("h", full(0.1), (later + 4) * 1_000, later), [])
      }).pipe(alone)
  )

  it("what holds between its two marks is told only when it was told before", () => {
    const process = (memoryUsed: number) => ({
      pid: 1,
      uptimeSeconds: 1,
      cpu: 0,
      memoryUsed,
      memoryLimit: 100,
      heapUsed: 1,
      heapLimit: 10,
      eventLoopUtilization: 0,
      eventLoopDelayMillis: 0
    })
    const watch = new Watch()
    assert.strictEqual(watch.process(process(88), 0, 0).length, 0)
    assert.strictEqual(watch.process(process(92), 1, 1).length, 1)
    assert.strictEqual(watch.process(process(88), 60_000, 2).length, 1)
    watch.process(process(80), 70_000, 3)
    assert.strictEqual(watch.process(process(80), 80_000, 4).length, 0)
  })
})

describe("the one source", () => {
  it("the rules for Prometheus are those of the conditions: pnpm build:alerts writes them", () => {
    assert.strictEqual(readFileSync(file("../prometheus/alerts.yml"), "utf8"), rules())
  })

  it("each alert has an entry of the same title in the runbook, and the runbook has no other", () => {
    const runbook = readFileSync(file("../../../docs/runbook.md"), "utf8")
    const headings = [...runbook.matchAll(/^## (.+)$/gm)].map(([, title = ""]) => title)
    assert.deepStrictEqual(headings.toSorted(), conditions.map(({ title }) => title).toSorted())
    for (const { alert, title } of conditions)
      assert.include(runbook.split(`## ${title}\n`)[1]?.split("\n## ")[0] ?? "", alert, title)
  })

  it("readiness is theirs, at once", () => {
    const there = { id: "q", queue: { store: "postgres", ready: true, since: 0, stats: null } }
    const away = { id: "q", queue: { ...there.queue, ready: false } }
    assert.deepStrictEqual(unready(false, [{ id: "h", state: "running" }], [there]), [])
    assert.deepStrictEqual(unready(false, [{ id: "h", state: "draining" }], [away]), [
      "h is draining",
      "q cannot reach its store (postgres)"
    ])
    assert.deepStrictEqual(unready(true, [], []), ["the process was told to stop"])
  })
})

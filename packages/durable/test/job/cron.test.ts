import { assert, describe, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { missing } from "@lemmings/servers"
import { directory } from "@lemmings/suite/embedded"
import { database } from "@lemmings/suite/postgres"
import { type Cause, Clock, Context, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { fromPglite, TestClock as DatabaseClock } from "pg-boss"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import type { JobStoreError } from "../../src/port/JobError.ts"
import { JobStore, type Store } from "../../src/port/JobStore.ts"
import * as JobStorePgBoss from "../../src/pgboss/JobStorePgBoss.ts"
import * as PgBossEngine from "../../src/pgboss/PgBossEngine.ts"
import * as PgBossSchedules from "../../src/pgboss/PgBossSchedules.ts"
import * as JobStoreMemory from "../../src/store/JobStoreMemory.ts"
import { eventually } from "../support/store.ts"

const minute = 60_000
const day = 24 * 60 * minute
const queue = "Cron"

/** Stores of one database whose time is turned by hand. */
interface Turned {
  readonly stores: ReadonlyArray<Store>
  readonly setTime: (to: number) => Effect.Effect<void>
  /** What each process does when it is time. */
  readonly look: Effect.Effect<unknown, JobStoreError | Cause.TimeoutError>
}

const start = "2026-03-28T00:00:00Z"

const turned = (engines: ReadonlyArray<PgBossEngine.Engine>, clock: DatabaseClock): Turned => {
  const opened = engines.map((engine) => ({ engine, schedules: PgBossSchedules.make(engine) }))
  return {
    stores: opened.map(({ engine, schedules }) => JobStorePgBoss.make(engine, schedules, 15_000, "postgres")),
    setTime: (to) => Effect.promise(() => clock.setTime(to)),
    look: Effect.forEach(opened, ({ schedules }) => eventually(schedules.look, (millis) => millis > 0), {
      concurrency: "unbounded"
    })
  }
}

const onMemory = Effect.gen(function* () {
  const store = Context.get(yield* Layer.build(JobStoreMemory.layer()), JobStore)
  return { stores: [store], setTime: TestClock.setTime, look: Effect.void } satisfies Turned
})

const onPglite = Effect.gen(function* () {
  const clock = new DatabaseClock(start)
  const dataDir = join(yield* directory, "data")
  const pglite = yield* Effect.acquireRelease(
    Effect.promise(() => PGlite.create({ dataDir })),
    (open) => Effect.promise(() => open.close())
  )
  const db = fromPglite(pglite)
  return turned([yield* PgBossEngine.make({ db, backend: "pglite", schema: "cron", clock })], clock)
})

const onPostgres = Effect.gen(function* () {
  const { url } = yield* database
  const clock = new DatabaseClock(start)
  const engine = PgBossEngine.make({ connectionString: url, schema: "cron", max: 4, clock })
  // Two that look at one time.
  return turned([yield* engine, yield* engine], clock)
})

/** Declares the queue and says schedules, by cron. What is claimed of each is told by its cron. */
const scheduled = ({ stores }: Turned, crons: ReadonlyArray<string>, missed: "once" | "skip" = "skip") =>
  Effect.gen(function* () {
    const [store] = stores as readonly [Store]
    for (const one of stores)
      yield* one.declare({
        name: queue,
        attempts: 3,
        deadLetter: true,
        keepEndedMillis: 30 * day,
        keepDeadMillis: 30 * day
      })
    const say = Effect.forEach(crons, (cron) =>
      store.schedule({ queue, key: cron, cron, zone: "Europe/Berlin", missed, payload: cron, priority: 10 })
    )
    const claimed = Effect.gen(function* () {
      const jobs = yield* store.claim(queue, 100)
      yield* store.settle(
        queue,
        jobs.map((held) => ({ ...held, _tag: "Complete" as const }))
      )
      for (const { attempt, priority } of jobs) assert.deepStrictEqual([attempt, priority], [1, 10])
      return jobs.map(({ payload }) => payload as string).toSorted()
    })
    yield* say
    return { say, claimed }
  })

const crons = ["0 * * * *", "30 2 * * *", "*/30 2 * * *"]

/** When each of the crons fires in a night when the clocks are changed, looked at every half hour. */
const night = (world: Turned, from: string, hours: number) =>
  Effect.gen(function* () {
    const fired = new Map<string, Array<string>>(crons.map((cron) => [cron, []]))
    const begin = Date.parse(from)
    yield* world.setTime(begin)
    const { claimed } = yield* scheduled(world, crons)
    yield* world.look
    yield* claimed
    for (let at = begin + 30 * minute; at <= begin + hours * 60 * minute; at += 30 * minute) {
      yield* world.setTime(at)
      yield* world.look
      for (const cron of yield* claimed) fired.get(cron)!.push(new Date(at).toISOString().slice(11, 16))
    }
    return [...fired.values()]
  })

const spring = (world: Turned) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* night(world, "2026-03-28T23:00:00Z", 3), [
      ["00:00", "01:00", "02:00"],
      ["01:30"],
      ["01:00"]
    ])
  })

const autumn = (world: Turned) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* night(world, "2026-10-24T23:00:00Z", 4), [
      ["00:00", "01:00", "02:00", "03:00"],
      ["00:30"],
      ["00:00", "00:30", "01:00", "01:30"]
    ])
  })

const changes = (world: Turned) => Effect.andThen(spring(world), autumn(world))

/** What is due while nobody looks. */
const misses = (world: Turned) =>
  Effect.gen(function* () {
    const daily = "30 3 * * *"
    const visit = (claimed: Effect.Effect<ReadonlyArray<string>, JobStoreError>, at: string) =>
      Effect.andThen(world.setTime(Date.parse(at)), Effect.andThen(world.look, claimed))

    const skipping = yield* scheduled(world, [daily])
    assert.deepStrictEqual(yield* visit(skipping.claimed, "2026-03-28T02:29:59Z"), [])
    assert.deepStrictEqual(yield* visit(skipping.claimed, "2026-03-28T02:30:00Z"), [daily])
    assert.deepStrictEqual(yield* visit(skipping.claimed, "2026-03-28T02:33:00Z"), [])
    // Within the minute, and then two days without a process.
    assert.deepStrictEqual(yield* visit(skipping.claimed, "2026-03-29T01:30:59Z"), [daily])
    assert.deepStrictEqual(yield* visit(skipping.claimed, "2026-03-31T12:00:00Z"), [])

    const caring = yield* scheduled(world, [daily], "once")
    assert.deepStrictEqual(yield* visit(caring.claimed, "2026-03-31T12:01:00Z"), [])
    yield* world.setTime(Date.parse("2026-04-03T12:00:00Z"))
    // A process that starts says its schedules again.
    yield* caring.say
    assert.deepStrictEqual(yield* visit(caring.claimed, "2026-04-03T12:00:01Z"), [daily])
    assert.deepStrictEqual(yield* visit(caring.claimed, "2026-04-03T12:00:02Z"), [])
    // The clock is set back, and comes to the same time again.
    assert.deepStrictEqual(yield* visit(caring.claimed, "2026-04-04T01:30:00Z"), [daily])
    assert.deepStrictEqual(yield* visit(caring.claimed, "2026-04-04T01:29:00Z"), [])
    assert.deepStrictEqual(yield* visit(caring.claimed, "2026-04-04T01:30:00Z"), [])
  })

describe("schedules when the clocks are changed", () => {
  it.effect("fire alike in memory, in spring", () =>
    Effect.andThen(TestClock.setTime(Date.parse(start)), Effect.flatMap(onMemory, spring))
  )
  it.effect("fire alike in memory, in autumn", () =>
    Effect.andThen(TestClock.setTime(Date.parse("2026-10-24T00:00:00Z")), Effect.flatMap(onMemory, autumn))
  )
  it.live("fire alike on PGlite", () => Effect.flatMap(onPglite, changes))
  it.live.skipIf(missing.postgres)("fire alike on PostgreSQL, of two that look", () =>
    Effect.flatMap(onPostgres, changes)
  )
})

/** Jobs of schedules are of groups as others are. */
const groups = (world: Turned) =>
  Effect.gen(function* () {
    yield* world.setTime(Date.parse(start))
    yield* scheduled(world, [])
    const [store] = world.stores as readonly [Store]
    const said = [
      { key: "a1", group: "a" },
      { key: "a2", group: "a" },
      { key: "b", group: "b" },
      { key: "empty", group: "" },
      { key: "none" }
    ]
    const rest = {
      queue,
      cron: "0 * * * *",
      zone: "UTC",
      missed: "skip" as const,
      payload: null,
      priority: 5
    }
    for (const one of said) yield* store.schedule({ ...rest, ...one })
    const listed = yield* store.schedules(queue, { limit: 10 })
    assert.deepStrictEqual(
      listed,
      said.map((one) => ({ ...rest, ...one }))
    )
    yield* world.look
    yield* world.setTime(Date.parse(start) + 60 * minute)
    yield* world.look
    const { jobs: first } = yield* store.claimWithin(queue, 10, { perGroup: 1 })
    assert.lengthOf(first, 4)
    yield* store.settle(
      queue,
      first.map((held) => ({ ...held, _tag: "Complete" as const }))
    )
    assert.lengthOf((yield* store.claimWithin(queue, 10, { perGroup: 1 })).jobs, 1)
  })

describe("jobs of schedules keep to the limit of their group", () => {
  it.effect("in memory", () =>
    Effect.andThen(TestClock.setTime(Date.parse(start)), Effect.flatMap(onMemory, groups))
  )
  it.live("on PGlite", () => Effect.flatMap(onPglite, groups))
  it.live.skipIf(missing.postgres)("on PostgreSQL", () => Effect.flatMap(onPostgres, groups))
})

describe("schedules that were missed", () => {
  it.live("are left out or made up for once on PGlite", () => Effect.flatMap(onPglite, misses))
  it.live.skipIf(missing.postgres)("are left out or made up for once on PostgreSQL", () =>
    Effect.flatMap(onPostgres, misses)
  )

  it.effect("are left out or made up for once in memory, when the clock is set forward and back", () =>
    Effect.gen(function* () {
      const real = yield* Clock.Clock
      let ahead = 0
      const clock: Clock.Clock = Object.assign(Object.create(real) as Clock.Clock, {
        currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + ahead
      })
      const fired = yield* Effect.gen(function* () {
        const store = yield* JobStore
        const { claimed } = yield* scheduled(
          { stores: [store], setTime: () => Effect.void, look: Effect.void },
          ["0 5 * * *"]
        )
        yield* store.schedule({
          queue,
          key: "cares",
          cron: "0 5 * * *",
          zone: "Europe/Berlin",
          missed: "once",
          payload: "cares",
          priority: 10
        })
        ahead = 30 * 60 * minute
        yield* TestClock.adjust("1 minute")
        const forward = yield* claimed
        ahead = 0
        yield* TestClock.adjust("5 hours")
        return [forward, yield* claimed]
      }).pipe(Effect.provide(JobStoreMemory.layer()), Effect.provideService(Clock.Clock, clock))
      assert.deepStrictEqual(fired, [["cares"], []])
    })
  )
})

describe("a schedule", () => {
  it.effect("is of the group that the job names, or refused as an enqueue is", () =>
    Effect.gen(function* () {
      const group = (tenant: string) => tenant
      const Mail = Job.make("Mail", { payload: Schema.String, group })
      yield* Jobs.schedule(Mail("acme"), "0 3 * * *")
      assert.deepStrictEqual(
        (yield* Jobs.schedules(Mail)).map((one) => one.group),
        ["acme"]
      )
      const wrong = yield* Effect.flip(Jobs.schedule(Mail("x".repeat(256)), "0 3 * * *", { key: "long" }))
      assert.deepInclude(wrong, { _tag: "EnqueueFailed", reason: "invalid" })
      assert.lengthOf(yield* Jobs.schedules(Mail), 1)
    }).pipe(Effect.provide(Jobs.layerMemory()))
  )

  const Report = Job.make("Report", { payload: { n: Schema.Int } })

  it.effect("is listed by pages, and all of them", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 1200; n++)
        yield* Jobs.schedule(Report({ n }), "0 3 * * *", { key: String(n).padStart(4, "0") })
      assert.lengthOf(yield* Jobs.schedules(Report), 1200)
      const page = yield* Jobs.schedules(Report, { limit: 3, after: "0009" })
      assert.deepStrictEqual(
        page.map(({ key }) => key),
        ["0010", "0011", "0012"]
      )
    }).pipe(Effect.provide(Jobs.layerMemory()))
  )

  it.effect("is refused where it could not be kept, and changes nothing", () =>
    Effect.gen(function* () {
      const refused = (cron: string, options: Jobs.ScheduleOptions) =>
        Effect.map(Effect.flip(Jobs.schedule(Report({ n: 1 }), cron, options)), (error) =>
          error._tag === "InvalidConfig" ? error.field : error._tag
        )
      assert.strictEqual(yield* refused("0 0 30 2 *", {}), "cron")
      assert.strictEqual(yield* refused("0 0 * * *", { zone: "Nowhere" }), "cron")
      assert.strictEqual(yield* refused("0 0 * * *", { key: "" }), "key")
      assert.strictEqual(yield* refused("0 0 * * *", { key: "a\u0000" }), "key")
      assert.strictEqual(yield* refused("0 0 * * *", { key: "x".repeat(201) }), "key")
      assert.strictEqual(yield* refused("0 0 * * *", { missed: "all" as never }), "missed")
      assert.deepStrictEqual(yield* Jobs.schedules(Report), [])
    }).pipe(Effect.provide(Jobs.layerMemory()))
  )

  it.effect("of a day in virtual time runs once an hour, and between nobody asks the store anything", () => {
    let ran = 0
    let asked = 0
    const Hourly = Report.toLayer(() => Effect.sync(() => void ran++))
    const counting = Layer.effect(
      JobStore,
      Effect.map(JobStore, (store): Store => {
        const ask = <A, E>(effect: Effect.Effect<A, E>) => {
          asked++
          return effect
        }
        return {
          ...store,
          look: (queues) => ask(store.look(queues)),
          claim: (name, max) => ask(store.claim(name, max)),
          sweep: (queues) => ask(store.sweep(queues)),
          prune: (queues) => ask(store.prune(queues)),
          heartbeat: (name, claims) => ask(store.heartbeat(name, claims))
        }
      })
    ).pipe(Layer.provide(JobStoreMemory.layer()))
    return Effect.gen(function* () {
      yield* Jobs.schedule(Report({ n: 1 }), "30 * * * *")
      yield* TestClock.adjust("1 day")
      assert.strictEqual(ran, 24)
      // A claim for each, one that finds nothing more, and a look whether its lease has lapsed.
      assert.isBelow(asked, 24 * 6)
    }).pipe(Effect.provide(Hourly.pipe(Layer.provideMerge(Jobs.layer), Layer.provideMerge(counting))))
  })
})

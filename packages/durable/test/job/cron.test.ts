import { assert, describe, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Cron, Effect } from "effect"
import { fromPglite, TestClock } from "pg-boss"
import type { Store } from "../../src/port/JobStore.ts"
import * as JobStorePgBoss from "../../src/pgboss/JobStorePgBoss.ts"
import * as PgBossEngine from "../../src/pgboss/PgBossEngine.ts"

const minute = 60_000
const day = 24 * 60 * minute
const berlin = { cron: "30 3 * * *", zone: "Europe/Berlin" }

describe("the time of a schedule", () => {
  const next = (cron: string, zone: string, after: string, count: number) => {
    const times: Array<string> = []
    let at = new Date(after)
    for (let n = 0; n < count; n++) {
      at = Cron.next(Cron.parseUnsafe(cron, zone), at)
      times.push(at.toISOString())
    }
    return times
  }

  it("is that of the clocks in its zone, before and after they are changed", () => {
    assert.deepStrictEqual(next(berlin.cron, berlin.zone, "2026-03-28T00:00:00Z", 3), [
      "2026-03-28T02:30:00.000Z",
      "2026-03-29T01:30:00.000Z",
      "2026-03-30T01:30:00.000Z"
    ])
    assert.deepStrictEqual(next(berlin.cron, berlin.zone, "2026-10-24T00:00:00Z", 2), [
      "2026-10-24T01:30:00.000Z",
      "2026-10-25T02:30:00.000Z"
    ])
  })
})

/** What is claimed of a schedule by a store whose time is turned by hand: of the processes and of the database. */
const scheduled = (stores: ReadonlyArray<Store>, clock: TestClock) =>
  Effect.gen(function* () {
    const [store] = stores as [Store]
    const queue = "Cron"
    for (const one of stores) {
      yield* one.declare({
        name: queue,
        attempts: 3,
        deadLetter: true,
        keepEndedMillis: 30 * day,
        keepDeadMillis: 30 * day
      })
    }
    yield* store.schedule({ queue, key: "a", ...berlin, payload: { n: 1 }, priority: 10 })
    /** Goes to a time without looking on the way, as when no process was there. */
    const jump = (to: string) => Effect.promise(() => clock.setTime(to))
    const pass = (millis: number) => Effect.promise(() => clock.tick(millis))
    const claimed = Effect.gen(function* () {
      const jobs = yield* store.claim(queue, 10)
      yield* store.settle(
        queue,
        jobs.map((held) => ({ ...held, _tag: "Complete" as const }))
      )
      return jobs.map(({ attempt, payload, priority }) => [attempt, payload, priority])
    })
    return { jump, pass, claimed }
  })

const once = [[1, { n: 1 }, 10]]

const fires = (stores: ReadonlyArray<Store>, clock: TestClock) =>
  Effect.gen(function* () {
    const { claimed, jump, pass } = yield* scheduled(stores, clock)
    // A process looks every half minute, and hands on what it found within five seconds.
    yield* jump("2026-03-28T02:29:20Z")
    yield* pass(35_000)
    assert.deepStrictEqual(yield* claimed, [])
    yield* pass(minute)
    assert.deepStrictEqual(yield* claimed, once)
    yield* pass(3 * minute)
    assert.deepStrictEqual(yield* claimed, [])
    // The next day is an hour shorter.
    yield* jump("2026-03-29T01:29:20Z")
    yield* pass(2 * minute)
    assert.deepStrictEqual(yield* claimed, once)
    // Two days without a process: nothing is made up for.
    yield* jump("2026-03-31T12:00:00Z")
    yield* pass(2 * minute)
    assert.deepStrictEqual(yield* claimed, [])
    // Back in time for the minute that it was due in.
    yield* jump("2026-04-01T01:30:30Z")
    yield* pass(minute)
    assert.deepStrictEqual(yield* claimed, once)
  })

const start = "2026-03-28T00:00:00Z"

describe("a schedule fires once when it is due, and what was missed is not made up for", () => {
  it.live(
    "on PGlite",
    () =>
      Effect.gen(function* () {
        const clock = new TestClock(start)
        const pglite = yield* Effect.acquireRelease(
          Effect.promise(() => PGlite.create({})),
          (open) => Effect.promise(() => open.close())
        )
        const db = fromPglite(pglite)
        const engine = yield* PgBossEngine.make({ db, backend: "pglite", schema: "cron", clock })
        yield* fires([JobStorePgBoss.make(engine, 15_000, "pglite")], clock)
      }),
    60_000
  )

  it.live.skipIf(missing.postgres)(
    "on PostgreSQL, of two that look",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const clock = new TestClock(start)
        const one = Effect.map(
          PgBossEngine.make({ connectionString: url, schema: "cron", max: 4, clock }),
          (engine) => JobStorePgBoss.make(engine, 15_000, "postgres")
        )
        yield* fires([yield* one, yield* one], clock)
      }),
    60_000
  )
})

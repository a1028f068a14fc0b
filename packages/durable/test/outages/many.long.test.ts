// Many of everything: schedules, queues, and jobs that wait.
import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { rounds } from "@lemmings/suite/rounds"
import { Clock, Effect, Layer, Schedule, Schema } from "effect"
import { QueueRegistry } from "lemmings"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { eventually } from "../support/store.ts"

const connected = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Client({ connectionString: url })
        await client.connect()
        return client
      }),
      (client) => Effect.promise(() => client.end())
    ),
    (client) => (text: string) =>
      Effect.promise(async () => (await client.query<Record<string, unknown>>(text)).rows)
  )

const until = (holds: () => boolean) =>
  Effect.repeat(Effect.sync(holds), { schedule: Schedule.spaced("10 millis"), until: (is) => is })

describe.skipIf(missing.postgres)("many", () => {
  it.live(
    "schedules are due in one minute: all are enqueued within the time that the docs say, each once",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const count = rounds(300, 10_000)
        const Tick = Job.make("Tick", { payload: Schema.Int })
        const ran = new Map<number, number>()
        const live = Tick.toLayer((n) => Effect.sync(() => ran.set(n, (ran.get(n) ?? 0) + 1)), {
          concurrency: 32
        }).pipe(Layer.provideMerge(Jobs.layerPostgres({ url })))
        yield* Effect.gen(function* () {
          yield* Effect.forEach(
            Array.from({ length: count }, (_, n) => n),
            (n) => Jobs.schedule(Tick(n), "0 0 1 1 *", { key: String(n), zone: "UTC" }),
            { concurrency: 16, discard: true }
          )
          const say = yield* connected(url)
          const schedules = "lemmings.lemmings_schedule"
          yield* eventually(
            say(`SELECT count(*)::int AS n FROM ${schedules} WHERE next_at IS NULL`),
            ([row]) => row?.["n"] === 0
          )
          // Their time has come, and does not come again.
          yield* say(`UPDATE ${schedules} SET next_at = date_trunc('minute', now()),
            cron = to_char(now() AT TIME ZONE 'UTC', 'FMMI FMHH24 FMDD FMMM *')`)
          yield* Jobs.schedule(Tick(-1), "0 0 1 1 *", { key: "wakes those who look" })
          yield* until(() => ran.size === count).pipe(Effect.timeout("35 seconds"))
          yield* Effect.sleep("1 second")
          assert.deepStrictEqual(
            [...ran].filter(([, times]) => times !== 1),
            []
          )
          let seen = 0
          let after: string | undefined
          for (;;) {
            const page = yield* Jobs.schedules(Tick, { limit: 700, after })
            seen += page.length
            after = page.at(-1)?.key
            if (page.length < 700) break
          }
          assert.strictEqual(seen, count + 1)
        }).pipe(Effect.provide(live))
      }),
    180_000
  )

  it.live(
    "queues of one process are looked at together: fewer than 50 transactions a second when nothing happens",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const count = rounds(60, 1_000)
        const store = yield* Layer.build(Jobs.layerPostgres({ url }))
        const ran = new Set<number>()
        const queues = Array.from({ length: count }, (_, n) =>
          Job.make(`Queue-${n}`, { payload: Schema.Int })
        )
        for (const queue of queues)
          yield* Layer.build(
            queue
              .toLayer((n) => Effect.sync(() => ran.add(n)), { concurrency: 2 })
              .pipe(Layer.provide(Layer.succeedContext(store)))
          )
        const say = yield* connected(url)
        const each = Effect.forEach(queues, (queue, n) => Jobs.enqueue(queue(n)), {
          concurrency: 16,
          discard: true
        })
        yield* Effect.provide(each, store)
        yield* until(() => ran.size === count).pipe(Effect.timeout("60 seconds"))
        // Sessions of the database count what they have done some seconds late.
        yield* Effect.sleep(rounds(1_000, 15_000))
        const transactions = Effect.map(
          say(`SELECT pg_stat_force_next_flush(), xact_commit + xact_rollback AS n FROM pg_stat_database
            WHERE datname = current_database()`),
          ([row]) => Number(row?.["n"])
        )
        const [before, at] = [yield* transactions, yield* Clock.currentTimeMillis]
        yield* Effect.sleep(rounds(2_000, 15_000))
        const [after, now] = [yield* transactions, yield* Clock.currentTimeMillis]
        assert.isBelow(((after - before) * 1000) / (now - at), 50)
      }),
    180_000
  )

  it.live(
    "jobs wait: the figures of a queue, as scrapes read them, are there in 100 ms",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const count = rounds(30_000, 1_000_000)
        const Big = Job.make("Big", { payload: Schema.Int })
        const registry = QueueRegistry.make()
        yield* Effect.gen(function* () {
          yield* Jobs.enqueue(Big(0))
          const say = yield* connected(url)
          yield* say(`INSERT INTO lemmings.job_common (name, data, priority, policy)
            SELECT 'Big', '{"p":1}', 5, 'standard' FROM generate_series(1, ${count})`)
          const queue = registry.queues().get("Big")!
          for (const read of [Jobs.stats(Big), queue.stats]) {
            let best = Infinity
            for (let n = 0; n < 10; n++) {
              const at = yield* Clock.currentTimeMillis
              const { waiting } = yield* read
              best = Math.min(best, (yield* Clock.currentTimeMillis) - at)
              // Estimated: the whole table is of this queue.
              assert.closeTo(waiting, count, count / 4)
            }
            assert.isBelow(best, 100)
          }
        }).pipe(
          Effect.provide(Jobs.layerPostgres({ url })),
          Effect.provideService(QueueRegistry.QueueRegistry, registry)
        )
      }),
    180_000
  )
})

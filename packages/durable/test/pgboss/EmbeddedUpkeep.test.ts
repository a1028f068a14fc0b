import { PGlite } from "@electric-sql/pglite"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { fromPglite } from "pg-boss"
import * as EmbeddedUpkeep from "../../src/pgboss/EmbeddedUpkeep.ts"
import * as JobStorePgBoss from "../../src/pgboss/JobStorePgBoss.ts"
import * as PgBossEngine from "../../src/pgboss/PgBossEngine.ts"
import * as PgBossSchedules from "../../src/pgboss/PgBossSchedules.ts"
import { job } from "../support/store.ts"

const megabyte = 1024 * 1024

it.effect(
  "an embedded database is vacuumed and its log cut, by what was written",
  () =>
    Effect.gen(function* () {
      const pglite = yield* Effect.acquireRelease(
        Effect.promise(() => PGlite.create()),
        (one) => Effect.promise(() => one.close())
      )
      const engine = yield* PgBossEngine.make({
        db: fromPglite(pglite),
        backend: "pglite",
        schema: "lemmings"
      })
      const store = JobStorePgBoss.make(engine, PgBossSchedules.make(engine), 15_000, "pglite")
      yield* store.declare({
        name: "q",
        attempts: 1,
        deadLetter: false,
        keepEndedMillis: 60_000,
        keepDeadMillis: 60_000
      })
      const number = (sql: string) =>
        Effect.promise(async () => Number((await pglite.query<{ n: number }>(sql)).rows[0]?.n))
      const table = number("SELECT pg_relation_size('lemmings.job_common') AS n")
      const unsaved = number(
        "SELECT pg_current_wal_insert_lsn() - redo_lsn AS n FROM pg_control_checkpoint()"
      )
      const write = (megabytes: number) =>
        number(`SELECT count(pg_logical_emit_message(false, 'test', repeat('x', ${megabyte}))) AS n
          FROM generate_series(1, ${megabytes})`)
      const leaveRoom = Effect.gen(function* () {
        yield* store.enqueue(Array.from({ length: 1000 }, () => job("q")))
        yield* Effect.promise(() => pglite.query("DELETE FROM lemmings.job_common"))
        return yield* table
      })
      // The database answers without a turn of the event loop, and would let nobody else come to theirs.
      const turn = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))
      const below = (look: Effect.Effect<number>, limit: number) =>
        Effect.repeat(Effect.andThen(turn, look), { until: (n) => n < limit })
      const look = TestClock.adjust("5 seconds")

      // What was left by others is not known: the first look vacuums.
      const first = yield* leaveRoom
      yield* Effect.forkScoped(EmbeddedUpkeep.make(engine))
      yield* below(table, first / 2)

      // A look that finds little leaves all as it is.
      const second = yield* leaveRoom
      yield* look
      yield* write(30)
      const before = yield* unsaved
      yield* look
      assert.strictEqual(yield* table, second)
      assert.isAtLeast(yield* unsaved, before)

      yield* write(4)
      yield* look
      yield* below(table, second / 2)
      assert.isAbove(yield* unsaved, 34 * megabyte)

      yield* write(30)
      yield* look
      yield* below(unsaved, megabyte)
    }),
  30_000
)

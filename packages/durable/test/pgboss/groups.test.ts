import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { Client } from "pg"
import * as PgBossSql from "../../src/pgboss/PgBossSql.ts"
import * as PostgresStore from "../../src/store/PostgresStore.ts"
import { declared } from "../support/store.ts"

interface Explained {
  readonly "QUERY PLAN": readonly [{ readonly Plan: Readonly<Record<string, number>> }]
}

describe.skipIf(missing.postgres)("a claim", () => {
  it.live(
    "passes over the jobs of full groups, however many wait and of whatever priority",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const options = { url, schema: undefined, connections: undefined, leaseMillis: 60_000 }
        yield* Effect.gen(function* () {
          const { queue, store } = yield* declared()
          const client = yield* Effect.acquireRelease(
            Effect.promise(async () => {
              const one = new Client({ connectionString: url })
              await one.connect()
              return one
            }),
            (one) => Effect.promise(() => one.end())
          )
          const say = (text: string, values: Array<unknown> = []) =>
            Effect.promise(() => client.query(text, values))
          const insert = (count: number, group: string, priority: number, at = "now()") =>
            say(`INSERT INTO lemmings.job_common (name, data, group_id, policy, priority, created_on)
            SELECT '${queue}', jsonb_build_object('p', ${group}), ${group}, 'standard', ${priority}, ${at}
            FROM generate_series(1, ${count}) n`)
          // Pages that one claim looks at. It is taken back.
          const looks = (max: number) =>
            Effect.gen(function* () {
              yield* say("BEGIN")
              const { claimWithin } = PgBossSql.make("lemmings")
              const { rows } = yield* say(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${claimWithin}`, [
                queue,
                max,
                null,
                2,
                null,
                null,
                false
              ])
              yield* say("ROLLBACK")
              const { Plan } = (rows as [Explained])[0]["QUERY PLAN"][0]
              return (Plan["Shared Hit Blocks"] ?? 0) + (Plan["Shared Read Blocks"] ?? 0)
            })
          // More often than the server thinks of each value anew.
          const most = Effect.fnUntraced(function* (max: number) {
            let pages = 0
            yield* looks(max)
            for (let n = 0; n < 6; n++) pages = Math.max(pages, yield* looks(max))
            return pages
          })
          yield* insert(2, "'full'", 5)
          yield* insert(2, "'fuller'", 5)
          assert.lengthOf(yield* store.claim(queue, 4), 4)
          yield* insert(3, "'other'", 5, "now() + interval '1 hour'")
          const alone = yield* most(1)
          yield* insert(10_000, "'full'", 5)
          yield* insert(10_000, "'fuller'", 9)
          assert.isAtMost(yield* most(1), alone + 200)
          yield* say("ANALYZE lemmings.job_common")
          assert.isAtMost(yield* most(1), alone + 200)
          assert.isAtMost(yield* most(16), alone + 200)
          yield* insert(1, "NULL", 5, "now() + interval '2 hours'")
          yield* insert(1, "'third'", 7)
          const { jobs } = yield* store.claimWithin(queue, 16, { perGroup: 2 })
          assert.deepStrictEqual(
            jobs.map(({ payload }) => payload ?? null),
            ["third", "other", "other", null]
          )
          // None is left that may run, and nobody looks for long.
          assert.deepStrictEqual((yield* store.claimWithin(queue, 16, { perGroup: 2 })).jobs, [])
          assert.isAtMost(yield* most(16), alone + 200)
        }).pipe(Effect.provide(PostgresStore.layer(options)))
      }),
    60_000
  )
})

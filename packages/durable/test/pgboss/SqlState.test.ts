import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { NotJson } from "../../src/port/Json.ts"
import { kindOf } from "../../src/pgboss/SqlState.ts"
import { logs } from "../support/logs.ts"

const coded = (code: string) => Object.assign(new Error(code), { code })

describe("what an error of PostgreSQL means", () => {
  const table: ReadonlyArray<readonly [kind: string, codes: ReadonlyArray<string>]> = [
    [
      "away",
      [
        "08006",
        "08P01",
        "57P01",
        "57P02",
        "57P03",
        "57P05",
        "53100",
        "53300",
        "58030",
        "25006",
        "28P01",
        "3D000"
      ]
    ],
    ["away", ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ERR_SOCKET_CLOSED", "ENOTFOUND"]],
    ["passing", ["57014", "40001", "40P01", "55P03", "55006", "25P03", "25P04", "XX000", "0A000", "26000"]],
    [
      "refused",
      ["22P05", "22021", "22P02", "23505", "42501", "42601", "42P01", "42883", "54000", "54001", "3F000"]
    ],
    ["refused", ["undeclared"]]
  ]
  for (const [kind, codes] of table)
    for (const code of codes) it(`${code}: ${kind}`, () => assert.strictEqual(kindOf(coded(code)), kind))

  it("is found in what a client of another library made of it", () => {
    const wrapped = Object.assign(new Error("SqlError"), {
      reason: { cause: new Error("inner", { cause: coded("23505") }) }
    })
    assert.strictEqual(kindOf(wrapped), "refused")
    assert.strictEqual(kindOf(new Error("Connection terminated unexpectedly")), "away")
    assert.strictEqual(kindOf(new NotJson("no")), "refused")
    assert.strictEqual(kindOf("nothing that is known"), "away")
  })
})

const Work = Job.make("Work", { payload: Schema.Int, success: Schema.Int })
const sqlOf = (url: string) => PgClient.layer({ url: Redacted.make(url), maxConnections: 2 })

describe.skipIf(missing.postgres)("on PostgreSQL", () => {
  it.live("an outcome outlasts statement_timeout, which is no outage", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        const name = new URL(url).pathname.slice(1)
        yield* sql.unsafe(`ALTER DATABASE ${name} SET statement_timeout = '150ms'`)
        const outcomes: Array<boolean> = []
        const live = Jobs.layerPostgres({ url, lease: "3 seconds" })
        yield* Effect.gen(function* () {
          const jobs = yield* Jobs.Jobs
          let runs = 0
          // Somebody takes the table for a while, as VACUUM FULL does, when the handler has done its work.
          const locked = Effect.gen(function* () {
            yield* sql`SET LOCAL statement_timeout = 0`
            yield* sql`LOCK TABLE lemmings.job_common IN ACCESS EXCLUSIVE MODE`
            for (let n = 0; n < 10; n++) {
              yield* Effect.sleep(50)
              outcomes.push((yield* jobs.readiness).ready)
            }
          })
          const handler = (n: number) =>
            Effect.gen(function* () {
              runs++
              yield* Effect.forkDetach(Effect.ignore(sql.withTransaction(locked)))
              yield* Effect.sleep(30)
              return n * 2
            })
          yield* Layer.build(Work.toLayer(handler))
          assert.strictEqual(yield* Jobs.execute(Work(4)).pipe(Effect.timeout("20 seconds")), 8)
          assert.strictEqual(runs, 1)
          assert.deepStrictEqual(
            outcomes.slice(0, 9),
            Array.from({ length: 9 }, () => true)
          )
        }).pipe(Effect.provide(live))
      }).pipe(Effect.provide(sqlOf(url)))
    })
  )

  it.live("what cannot start says the first reason: in the error, in readiness and in the log", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        const role = `stranger_${new URL(url).pathname.slice(-8)}`
        yield* sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
        const at = (change: (to: URL) => void) => {
          const to = new URL(url)
          change(to)
          return to.href
        }
        const wrong = [
          [at((to) => (to.port = "1")), /ECONNREFUSED/],
          [at((to) => (to.pathname = "nowhere")), /"nowhere" does not exist/],
          [at((to) => ((to.username = role), (to.password = "x"))), /permission denied/]
        ] as const
        for (const [given, reason] of wrong) {
          const { about, layer, lines } = logs()
          yield* Effect.gen(function* () {
            const context = yield* Layer.build(Work.toLayer((n) => Effect.succeed(n)))
            const error = yield* Effect.flip(Jobs.execute(Work(1))).pipe(Effect.provide(context))
            assert.match(error.message, reason)
            const { ready, reason: said } = yield* Jobs.readiness
            assert.isFalse(ready)
            assert.match(said ?? "", reason)
            yield* Effect.sleep(500)
            const text = lines.map((one) => one.text).join("\n")
            assert.match(text, reason)
            assert.lengthOf(about("The job store is unavailable"), 1, text)
            assert.lengthOf(about("is ready"), 0)
          }).pipe(
            Effect.provide(Layer.provideMerge(Layer.fresh(Jobs.layerPostgres({ url: given })), layer)),
            Effect.scoped
          )
        }
        yield* sql.unsafe(`DROP ROLE ${role}`)
      }).pipe(Effect.provide(sqlOf(url)))
    })
  )

  it.live("what is wrong in a transaction of the caller's says nothing of the store, and is not sent", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const Note = Job.make("Note", { payload: { text: Schema.String } })
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* sql`CREATE TABLE orders (n int)`
        const bad = Effect.flip(Jobs.enqueue(Note({ text: "a\u0000b" }), { transaction: sql }))
        const reason = yield* sql.withTransaction(
          Effect.andThen(
            sql`INSERT INTO orders VALUES (1)`,
            Effect.map(bad, (error) => error.reason)
          )
        )
        assert.strictEqual(reason, "invalid")
        assert.lengthOf(yield* sql`SELECT n FROM orders`, 1)
        // A transaction that has failed already.
        const broken = sql.withTransaction(
          Effect.andThen(
            Effect.ignore(sql`SELECT 1 / 0`),
            Jobs.enqueue(Note({ text: "a" }), { transaction: sql })
          )
        )
        const failed = yield* Effect.flip(broken)
        assert.strictEqual(failed._tag === "EnqueueFailed" && failed.reason, "refused")
        assert.isTrue((yield* Jobs.readiness).ready)
      }).pipe(Effect.provide(Layer.merge(Jobs.layerPostgres({ url }), sqlOf(url))))
    })
  )

  it.live("an end is no outage", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const { about, layer } = logs()
      yield* Effect.gen(function* () {
        const live = Work.toLayer((n) => Effect.succeed(n)).pipe(
          Layer.provideMerge(Jobs.layerPostgres({ url }))
        )
        yield* Jobs.execute(Work(1)).pipe(Effect.provide(Layer.fresh(live)))
      }).pipe(Effect.provide(layer))
      assert.lengthOf(about("unavailable"), 0)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { missing, postgres } from "@lemmings/servers"
import { directory } from "@lemmings/suite/embedded"
import { database } from "@lemmings/suite/postgres"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { eventually } from "../support/store.ts"

const Work = Job.make("Work", { payload: Schema.Int, success: Schema.Int })
const doubling = Work.toLayer((n) => Effect.succeed(n * 2))

describe("an embedded store", () => {
  it.live("is for one process at a time, also after one was killed, whose job is taken up at once", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => fork(fileURLToPath(new URL("../support/holder.ts", import.meta.url)), [path])),
        (one) => Effect.sync(() => one.kill("SIGKILL"))
      )
      const [id] = yield* Effect.promise(() => once(child, "message") as Promise<[string]>)
      const embedded = Jobs.layerEmbedded({ directory: path })
      const refused = yield* Effect.flip(Effect.provide(Effect.void, Layer.fresh(embedded)))
      assert.strictEqual(refused._tag, "DirectoryInUse")
      child.kill("SIGKILL")
      yield* Effect.promise(() => once(child, "exit"))
      const result = yield* Jobs.await(Work, id).pipe(
        Effect.provide(doubling.pipe(Layer.provideMerge(Layer.fresh(embedded)))),
        Effect.timeout("14 seconds")
      )
      assert.strictEqual(result, 42)
    })
  )

  it.live("keeps its jobs from one time to the next", () =>
    Effect.gen(function* () {
      const embedded = Jobs.layerEmbedded({ directory: yield* directory })
      const fresh = () => Layer.fresh(embedded)
      const id = yield* Effect.provide(Jobs.enqueue(Work(4)), fresh())
      const live = doubling.pipe(Layer.provideMerge(fresh()))
      assert.strictEqual(yield* Effect.provide(Jobs.await(Work, id), live), 8)
    })
  )
})

describe.skipIf(missing.postgres)("PostgreSQL", () => {
  it.live("takes jobs in the caller's own transaction", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const live = Layer.merge(Jobs.layerPostgres({ url }), PgClient.layer({ url: Redacted.make(url) }))
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* sql`CREATE TABLE orders (n int)`
        const order = (n: number) =>
          Effect.andThen(
            sql`INSERT INTO orders VALUES (${n})`,
            Jobs.enqueue([Work(n), Work(n + 1)], { transaction: sql })
          )
        const ids = yield* sql.withTransaction(order(1))
        const waiting = Effect.map(Jobs.stats(Work), (stats) => stats.waiting)
        assert.strictEqual(yield* waiting, 2)
        yield* Effect.exit(sql.withTransaction(Effect.andThen(order(2), Effect.fail("no"))))
        assert.strictEqual(yield* waiting, 2)
        assert.lengthOf(yield* sql`SELECT n FROM orders`, 1)
        assert.strictEqual((yield* Jobs.inspect(Work, ids[0]!)).state, "waiting")
      }).pipe(Effect.provide(live))
    })
  )

  it.live("replays, purges and cancels in the caller's own transaction, all pages or none", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const Dead = Job.make("Dead", { payload: Schema.Int, attempts: 1 })
      const live = Layer.merge(Jobs.layerPostgres({ url }), PgClient.layer({ url: Redacted.make(url) }))
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* Jobs.stats(Dead)
        yield* sql`INSERT INTO lemmings.job_common (name, data, source_name, source_output)
          SELECT 'Dead.dead', jsonb_build_object('p', jsonb_build_object('n', n)), 'Dead', '{"reason":"defect","message":"x"}' FROM generate_series(1, 2500) n`
        const ids = yield* Jobs.enqueue(Array.from({ length: 1_500 }, (_, n) => Dead(n)))
        const counts = Effect.map(Jobs.stats(Dead), ({ deadLetters, waiting }) => [deadLetters, waiting])
        const seen: Array<number> = []
        const options = { transaction: sql, progress: (done: number) => Effect.sync(() => seen.push(done)) }
        const all = Effect.gen(function* () {
          assert.strictEqual(yield* Jobs.deadLetters.replay(Dead, { payload: { n: 7 } }, options), 1)
          assert.strictEqual(yield* Jobs.deadLetters.purge(Dead, "all", options), 2_499)
          assert.strictEqual(yield* Jobs.cancel(Dead, ids, options), 1_500)
          // Nobody else sees it before it is all done.
          assert.deepStrictEqual(yield* counts, [2_500, 1_500])
        })
        yield* Effect.flip(sql.withTransaction(Effect.andThen(all, Effect.fail("no"))))
        assert.deepStrictEqual(yield* counts, [2_500, 1_500])
        yield* sql.withTransaction(all)
        assert.deepStrictEqual(yield* counts, [0, 1])
        assert.deepStrictEqual(seen.slice(0, 6), [1, 1_000, 2_000, 2_499, 1_000, 1_500])
        assert.isTrue((yield* Jobs.readiness).ready)
      }).pipe(Effect.provide(live))
    })
  )

  it.live(
    "may restart under workers, who go on by themselves",
    () =>
      Effect.gen(function* () {
        const server = yield* postgres()
        const live = doubling.pipe(Layer.provideMerge(Jobs.layerPostgres({ url: server.url })))
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* Jobs.execute(Work(1)), 2)
          yield* server.crash
          const failed = yield* Effect.flip(Jobs.enqueue(Work(2)))
          assert.deepStrictEqual([failed._tag, failed.reason], ["EnqueueFailed", "unavailable"])
          assert.isFalse((yield* Jobs.readiness).ready)
          yield* server.restart
          yield* eventually(Jobs.readiness, ({ ready }) => ready)
          assert.strictEqual(yield* Jobs.execute(Work(3)), 6)
        }).pipe(Effect.provide(live))
      }),
    60_000
  )

  it.live(
    "may come later than those who ask for it",
    () =>
      Effect.gen(function* () {
        const server = yield* postgres()
        yield* server.crash
        const live = doubling.pipe(Layer.provideMerge(Jobs.layerPostgres({ url: server.url })))
        yield* Effect.gen(function* () {
          const { ready, reason } = yield* Jobs.readiness
          assert.isFalse(ready)
          assert.isDefined(reason)
          yield* server.restart
          yield* eventually(Jobs.readiness, (state) => state.ready)
          const execute = Effect.retry(Jobs.execute(Work(5)), Schedule.spaced("100 millis"))
          assert.strictEqual(yield* execute, 10)
        }).pipe(Effect.provide(live))
      }),
    60_000
  )

  it.live("refuses what it cannot hold, and harms no other job", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const Text = Job.make("Text", { payload: Schema.String, success: Schema.String, attempts: 1 })
      const live = Text.toLayer((text) => Effect.succeed(text === "bad" ? "a\u0000b" : text)).pipe(
        Layer.provideMerge(Jobs.layerPostgres({ url }))
      )
      yield* Effect.gen(function* () {
        const refused = yield* Effect.flip(Jobs.enqueue([Text("good"), Text("a\u0000b")]))
        assert.strictEqual(refused.reason, "invalid")
        assert.strictEqual((yield* Jobs.stats(Text)).waiting, 0)
        const ids = yield* Jobs.enqueue(["a", "bad", "c", "d"].map((text) => Text(text)))
        const ends = yield* Effect.forEach(ids, (id) => Effect.exit(Jobs.await(Text, id)))
        assert.deepStrictEqual(
          ends.map((exit) => (exit._tag === "Success" ? exit.value : "failed")),
          ["a", "failed", "c", "d"]
        )
        assert.isTrue((yield* Jobs.readiness).ready)
      }).pipe(Effect.provide(live))
    })
  )

  it.live("takes nothing for a queue that somebody deleted, and says so", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const live = Layer.merge(Jobs.layerPostgres({ url }), PgClient.layer({ url: Redacted.make(url) }))
      yield* Effect.gen(function* () {
        yield* Jobs.stats(Work)
        const sql = yield* SqlClient
        yield* sql`DELETE FROM lemmings.queue WHERE name = ${Work.name}`
        assert.strictEqual((yield* Effect.flip(Jobs.enqueue([Work(1), Work(2)]))).reason, "refused")
      }).pipe(Effect.provide(live))
    })
  )

  it.live("gives what one process enqueues to another, and the result back", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const here = Jobs.layerPostgres({ url })
      const there = doubling.pipe(Layer.provide(Layer.fresh(Jobs.layerPostgres({ url }))))
      const results = yield* Effect.forEach([1, 2, 3], (n) => Jobs.execute(Work(n)), {
        concurrency: "unbounded"
      }).pipe(Effect.provide(Layer.merge(here, there)))
      assert.deepStrictEqual(results, [2, 4, 6])
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, Layer, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { Client } from "pg"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import * as PgBossSql from "../../src/pgboss/PgBossSql.ts"
import { JobStore } from "../../src/port/JobStore.ts"
import * as PostgresStore from "../../src/store/PostgresStore.ts"
import { eventually, job } from "../support/store.ts"

const Work = Job.make("Work", { payload: Schema.Int, success: Schema.Int, attempts: 2 })

/** A connection of its own. */
const connected = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ connectionString: url })
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )

/** A connection of a role that may connect to the database, and has no right on anything in it. */
const stranger = (url: string) =>
  Effect.gen(function* () {
    const name = `stranger_${randomUUID().slice(0, 8)}`
    const admin = yield* connected(url)
    yield* Effect.acquireRelease(
      Effect.promise(() => admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'stranger'`)),
      () => Effect.promise(() => admin.query(`DROP ROLE ${name}`))
    )
    const address = new URL(url)
    address.username = name
    address.password = "stranger"
    const client = yield* connected(address.href)
    const denied = yield* Effect.promise(() =>
      client.query("SELECT FROM lemmings.job_common").then(() => "allowed", String)
    )
    assert.match(denied, /permission denied/)
    return (sql: string) => Effect.promise(() => client.query(sql))
  })

describe.skipIf(missing.postgres)("another role of the same database", () => {
  it.live("can neither pause nor resume a queue by a notice", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const ran: Array<number> = []
      const working = Work.toLayer((n) => Effect.sync(() => ran.push(n)))
      const live = working.pipe(Layer.provideMerge(Jobs.layerPostgres({ url })))
      yield* Effect.gen(function* () {
        yield* Jobs.execute(Work(1))
        const say = yield* stranger(url)
        const channel = PgBossSql.channel("lemmings")
        const notices = [
          " paused Work",
          " resumed Work",
          "Work",
          " cancelled Work",
          " ended Work x",
          " ",
          "\u0001"
        ]
        const forge = Effect.forEach(notices, (text) => say(`NOTIFY "${channel}", '${text}'`), {
          discard: true
        })
        yield* forge
        assert.strictEqual(yield* Jobs.execute(Work(2)), 2)
        yield* Jobs.pause(Work)
        yield* forge
        yield* Jobs.enqueue(Work(3))
        yield* forge
        yield* Effect.sleep("300 millis")
        assert.deepStrictEqual(ran, [1, 2])
        yield* Jobs.resume(Work)
        yield* eventually(
          Effect.sync(() => ran.length),
          (length) => length === 3
        )
      }).pipe(Effect.provide(live))
    })
  )

  it.live("cannot stop claims by holding a lock", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const working = Work.toLayer((n) => Effect.succeed(n), { perQueue: 5 })
      const live = working.pipe(Layer.provideMerge(Jobs.layerPostgres({ url })))
      yield* Effect.gen(function* () {
        yield* Jobs.execute(Work(1))
        const say = yield* stranger(url)
        for (const name of [
          "lemmings install",
          "lemmings.lemmings_claim_1 Work",
          "lemmings.lemmings_claim_2 Work",
          "Work"
        ])
          yield* say(`SELECT pg_advisory_lock(hashtextextended('${name}', 0))`)
        assert.strictEqual(yield* Effect.timeout(Jobs.execute(Work(2)), "5 seconds"), 2)
        const fresh = Layer.fresh(Jobs.layerPostgres({ url }))
        assert.isTrue((yield* Effect.provide(Jobs.readiness, fresh)).ready)
      }).pipe(Effect.provide(live))
    })
  )
})

describe.skipIf(missing.postgres)("rows that somebody else has written", () => {
  const Row = Job.make("Row", { payload: Schema.Unknown, success: Schema.Unknown, attempts: 2 })
  const insert = (values: string) =>
    `INSERT INTO lemmings.job_common (name, priority, dead_letter, retry_limit, ${values}`

  it.live.each([
    ["claims", {}],
    ["claims within limits", { perGroup: 2 }]
  ] as const)("that cannot be claimed keep none of their queue from it, and are told (%s)", ([, limits]) =>
    Effect.gen(function* () {
      const { url } = yield* database
      const died: Array<string> = []
      const working = Row.toLayer((value) => Effect.succeed(value), {
        ...limits,
        onDead: ({ failure: { message, reason } }) => Effect.sync(() => died.push(`${reason}: ${message}`))
      })
      const store = yield* Layer.build(Jobs.layerPostgres({ url }))
      yield* Effect.gen(function* () {
        yield* Jobs.stats(Row)
        const client = yield* connected(url)
        const say = (sql: string) => Effect.promise(() => client.query(sql))
        // Beyond what the index of what runs can hold: whoever claims it fails, and all that are claimed with it.
        const long = `(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200) n)`
        yield* say(`${insert("data, group_id)")} VALUES ('Row', 9, 'Row.dead', 1, '{"p":1}', ${long})`)
        yield* say(`CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN IF NEW.state = 'active' THEN RAISE 'never this one'; END IF; RETURN NEW; END $$;
          CREATE TRIGGER no BEFORE UPDATE ON lemmings.job_common FOR EACH ROW WHEN (NEW.group_id = 'no') EXECUTE FUNCTION no()`)
        yield* say(`${insert("data, group_id)")} VALUES ('Row', 8, 'Row.dead', 1, '{"p":2}', 'no')`)
        const ids = yield* Jobs.enqueue([1, 2, 3].map((n) => Row(n)))
        yield* Layer.build(working)
        for (const [n, id] of ids.entries()) assert.strictEqual(yield* Jobs.await(Row, id), n + 1)
        yield* eventually(
          Effect.sync(() => died.length),
          (count) => count === 2
        )
        assert.match(died[0] ?? "", /^undecodable: its row cannot be claimed: index row size/)
        assert.strictEqual(died[1], "undecodable: its row cannot be claimed: never this one")
        const letters = yield* Jobs.deadLetters.list(Row)
        assert.deepStrictEqual(
          letters.map(({ failure }) => failure.reason),
          ["undecodable", "undecodable"]
        )
        assert.isTrue((yield* Jobs.readiness).ready)
      }).pipe(Effect.provide(store))
    })
  )

  it.live("with anything in them are run, lost, given back and buried like others, and stop nobody", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      yield* Effect.gen(function* () {
        const store = yield* JobStore
        yield* store.declare(Row.settings.spec)
        const client = yield* connected(url)
        const say = (sql: string) => Effect.promise(() => client.query(sql))
        const odd = [
          "NULL",
          ...[
            "null",
            "5",
            '"text"',
            "[1]",
            "{}",
            '{"r":"x","l":[],"k":{},"w":0,"t":5}',
            '{"r":1e99,"l":-1}'
          ].map((data) => `'${data}'`)
        ]
        const all = odd.map((data) => `('Row', 5, 'Row.dead', 1, ${data})`).join(", ")
        yield* say(`${insert("data)")} VALUES ${all}`)
        yield* store.enqueue([job("Row", { attempts: 2 })])
        const first = yield* store.claim("Row", 20)
        assert.lengthOf(first, odd.length + 1)
        yield* store.settle(
          "Row",
          first.map((held) => ({ ...held, _tag: "Release" as const }))
        )
        assert.lengthOf(yield* store.claim("Row", 20), odd.length + 1)
        let ended = 0
        // Twice, since each has two attempts, whether its losses can be counted or not.
        yield* eventually(
          Effect.gen(function* () {
            const { dead } = yield* store.sweep("Row")
            ended += dead.length
            yield* store.claim("Row", 20)
            yield* store.claim("Row", 20, true)
          }),
          () => ended === odd.length + 1
        )
        assert.lengthOf(yield* store.dead.list("Row", { limit: 20 }), odd.length + 1)
        assert.strictEqual(yield* store.dead.replay("Row"), odd.length + 1)
        assert.isAbove((yield* store.stats("Row")).waiting, 0)
      }).pipe(
        Effect.provide(PostgresStore.layer({ url, schema: undefined, connections: 4, leaseMillis: 1_000 }))
      )
    })
  )
})

describe.skipIf(missing.postgres)("however many ask at a time", () => {
  it.live("what runs keeps its lease and is settled: those have connections that nobody else has", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const options = { url, schema: undefined, connections: 4, leaseMillis: 1_000 }
      yield* Effect.gen(function* () {
        const store = yield* JobStore
        const queue = "asked"
        yield* store.declare({
          name: queue,
          attempts: 2,
          deadLetter: true,
          keepEndedMillis: 86_400_000,
          keepDeadMillis: 86_400_000
        })
        yield* store.enqueue([job(queue), job(queue)])
        const claims = yield* store.claim(queue, 2)
        assert.lengthOf(claims, 2)
        const other = yield* connected(url)
        // Every look at a queue waits now, and holds its connection.
        yield* Effect.promise(() => other.query("BEGIN; LOCK TABLE lemmings.lemmings_paused"))
        const asking = yield* Effect.forkScoped(
          Effect.forEach(Array.from({ length: 200 }), () => Effect.exit(store.stats(queue)), {
            concurrency: "unbounded"
          })
        )
        yield* Effect.sleep("200 millis")
        assert.deepStrictEqual(yield* Effect.timeout(store.heartbeat(queue, claims), "5 seconds"), [])
        const done = claims.map(({ claim, id }) => ({ _tag: "Complete" as const, id, claim }))
        assert.deepStrictEqual(yield* Effect.timeout(store.settle(queue, done), "5 seconds"), [])
        assert.isUndefined(asking.pollUnsafe())
        yield* Effect.promise(() => other.query("COMMIT"))
        yield* eventually(
          Effect.sync(() => asking.pollUnsafe()),
          (exit) => exit !== undefined
        )
        assert.strictEqual((yield* store.stats(queue)).lastMinute.completed, 2)
      }).pipe(Effect.provide(PostgresStore.layer(options)))
    })
  )

  it.live("no statement goes on for longer than is waited for: 30 seconds unless another time is said", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const store = (more: object) => Layer.fresh(Jobs.layerPostgres({ url, ...more }))
      yield* Effect.provide(Jobs.enqueue(Work(1)), store({}))
      const admin = yield* connected(url)
      yield* Effect.promise(() =>
        admin.query(`CREATE TABLE seen (at serial, limits text);
          CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen (limits)
            VALUES (concat_ws(' ', current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')));
            RETURN NULL; END $$;
          CREATE TRIGGER see AFTER INSERT ON lemmings.job_common EXECUTE FUNCTION see()`)
      )
      for (const more of [{}, { statementTimeout: "2 seconds" }, { statementTimeout: "Infinity" }])
        yield* Effect.provide(Jobs.enqueue(Work(2)), store(more))
      const { rows } = yield* Effect.promise(() => admin.query("SELECT limits FROM seen ORDER BY at"))
      assert.deepStrictEqual(rows, [{ limits: "30s 30s" }, { limits: "2s 2s" }, { limits: "0 0" }])
      // One that is cut off says nothing of the store, and what runs goes on.
      yield* Effect.gen(function* () {
        yield* Effect.promise(() => admin.query("BEGIN; LOCK TABLE lemmings.lemmings_paused"))
        const error = yield* Effect.timeout(Effect.flip(Jobs.stats(Work)), "5 seconds")
        assert.deepInclude(error, { _tag: "JobStoreError", reason: "unavailable" })
        assert.match(error.message, /statement timeout/)
        assert.isTrue((yield* Jobs.readiness).ready)
        yield* Effect.promise(() => admin.query("COMMIT"))
      }).pipe(Effect.provide(store({ statementTimeout: "1 second" })))
    })
  )

  it.live("who leaves the line is asked for no more", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      yield* Effect.gen(function* () {
        yield* Jobs.enqueue(Work(1))
        const other = yield* connected(url)
        yield* Effect.promise(() => other.query("BEGIN; LOCK TABLE lemmings.lemmings_paused"))
        const gone = Effect.timeout(Jobs.stats(Work), "100 millis")
        yield* Effect.forEach(Array.from({ length: 200 }), () => Effect.exit(gone), {
          concurrency: "unbounded",
          discard: true
        })
        const { rows } = yield* Effect.promise(() =>
          other.query(`SELECT count(*)::int AS n FROM pg_stat_activity
            WHERE application_name = 'lemmings' AND wait_event_type = 'Lock'`)
        )
        assert.isAtMost((rows as [{ n: number }])[0].n, 4)
        yield* Effect.promise(() => other.query("COMMIT"))
        assert.strictEqual((yield* Jobs.stats(Work)).waiting, 1)
      }).pipe(Effect.provide(Jobs.layerPostgres({ url })))
    })
  )

  it.live("a dead letter among many is found by its id, without a look at the others", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      yield* Effect.gen(function* () {
        yield* Jobs.enqueue(Work(1))
        const client = yield* connected(url)
        const dead = `INSERT INTO lemmings.job_common (name, data, source_name, created_on)
          SELECT 'Work.dead', jsonb_build_object('p', n), 'Work', now() - n * interval '1ms' FROM generate_series(1, 20000) n`
        yield* Effect.promise(() => client.query(`${dead}; ANALYZE lemmings.job_common`))
        const { list } = PgBossSql.make("lemmings").letters
        const plan = (ids: ReadonlyArray<string> | null, limit: number) =>
          Effect.promise(() =>
            client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${list}`, [
              "Work.dead",
              limit,
              null,
              null,
              ids,
              null,
              null
            ])
          )
        const [first] = yield* Jobs.deadLetters.list(Work, { limit: 1 })
        for (const [ids, limit] of [
          [[randomUUID()], 1],
          [[first!.id], 1],
          [null, 10]
        ] as const) {
          const { rows } = yield* plan(ids, limit)
          const [{ Plan }] = (rows as [{ "QUERY PLAN": [{ Plan: Record<string, number> }] }])[0]["QUERY PLAN"]
          assert.isAtMost((Plan["Shared Hit Blocks"] ?? 0) + (Plan["Shared Read Blocks"] ?? 0), 40)
        }
        assert.strictEqual((yield* Jobs.deadLetters.inspect(Work, first!.id)).id, first!.id)
        const page = yield* Jobs.deadLetters.list(Work, { limit: 3, after: first!.id })
        const [, ...rest] = yield* Jobs.deadLetters.list(Work, { limit: 4 })
        assert.deepStrictEqual(page, rest)
        assert.strictEqual(yield* Jobs.deadLetters.purge(Work, { ids: [first!.id] }), 1)
        const refused = yield* Effect.flip(Jobs.deadLetters.list(Work, { limit: 1, after: first!.id }))
        assert.deepInclude(refused, { _tag: "JobStoreError", reason: "refused" })
        assert.strictEqual(yield* Jobs.deadLetters.purge(Work, "all"), 19_999)
      }).pipe(Effect.provide(Jobs.layerPostgres({ url })))
    })
  )
})

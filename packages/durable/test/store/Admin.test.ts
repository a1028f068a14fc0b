import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { directory as databaseIn } from "@lemmings/suite/embedded"
import { database } from "@lemmings/suite/postgres"
import { Effect, Exit, Layer, Schema } from "effect"
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Client } from "pg"
import * as PgBossInstall from "../../src/pgboss/PgBossInstall.ts"
import * as Admin from "../../src/Admin.ts"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { folder } from "../support/processes.ts"
import { eventually } from "../support/store.ts"

const Work = Job.make("Work", { payload: Schema.Int, success: Schema.Int })
const doubling = Work.toLayer((n) => Effect.succeed(n * 2), { perQueue: 1 })

/** Runs the command. Returns its exit code and what it said. */
const command = (...args: ReadonlyArray<string>) =>
  Effect.promise(
    () =>
      new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) => {
        const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url))
        execFile(process.execPath, [cli, ...args], (error, out, err) =>
          resolve({ code: error === null ? 0 : Number(error.code), out, err })
        )
      })
  )

describe("a directory of jobs", () => {
  const embedded = (directory: string) => Layer.fresh(Jobs.layerEmbedded({ directory }))
  const waiting = (directory: string) =>
    Effect.map(Effect.provide(Jobs.stats(Work), embedded(directory)), (stats) => stats.waiting)
  /** One with 7 jobs. */
  const filled = Effect.gen(function* () {
    const root = yield* folder
    const directory = yield* databaseIn
    yield* Effect.provide(Jobs.enqueue(Array.from({ length: 7 }, (_, n) => Work(n))), embedded(directory))
    return { root, directory }
  })

  it.live(
    "that has lost a file is never made anew",
    () =>
      Effect.gen(function* () {
        const { directory, root } = yield* filled
        const lost = [
          "PG_VERSION",
          "global/pg_control",
          "global/pg_filenode.map",
          "base/5/PG_VERSION",
          "base",
          "pg_wal",
          "pg_xact",
          ""
        ]
        for (const name of lost) {
          const file = join(directory, "data", name)
          const aside = join(root, "aside")
          renameSync(file, aside)
          const error = yield* Effect.flip(waiting(directory))
          assert.strictEqual(error._tag, "OpenFailed", name)
          assert.include(error.message, "damaged")
          assert.isFalse(existsSync(name === "" ? join(file, "PG_VERSION") : file), name)
          renameSync(aside, file)
        }
        assert.strictEqual(yield* waiting(directory), 7)
      }),
    60_000
  )

  it.live("that somebody has emptied of its tables, or whose marker is none, does not open", () =>
    Effect.gen(function* () {
      const { directory } = yield* filled
      const other = yield* databaseIn
      yield* Effect.provide(Jobs.stats(Work), embedded(other))
      writeFileSync(join(other, "lemmings.json"), "{")
      assert.strictEqual((yield* Effect.flip(waiting(other)))._tag, "OpenFailed")
      const { PGlite } = yield* Effect.promise(() => import("@electric-sql/pglite"))
      yield* Effect.promise(async () => {
        const pglite = await PGlite.create({ dataDir: join(directory, "data") })
        await pglite.query("DROP SCHEMA lemmings CASCADE")
        await pglite.close()
      })
      assert.include((yield* Effect.flip(waiting(directory))).message, "its tables are missing")
    })
  )

  it.live("whose first start was killed is made again", () =>
    Effect.gen(function* () {
      const directory = join(yield* folder, "half")
      mkdirSync(join(directory, "data", "base"), { recursive: true })
      writeFileSync(join(directory, "lemmings.json"), '{"store":"lemmings","format":1,"state":"making"}')
      assert.strictEqual(yield* waiting(directory), 0)
    })
  )

  it.live("is copied to a file and made of it again, by the command", () =>
    Effect.gen(function* () {
      const { directory, root } = yield* filled
      const file = join(root, "jobs.tgz")
      const copy = join(root, "copy")
      assert.deepStrictEqual(yield* command("dump", directory, file), { code: 0, out: "", err: "" })
      assert.deepStrictEqual(yield* command("load", file, copy), { code: 0, out: "", err: "" })
      assert.strictEqual(yield* waiting(copy), 7)
      const again = yield* Effect.flip(Admin.load({ file, directory: copy }))
      assert.include(again.message, "something in the directory")
      const none = yield* Effect.flip(Admin.dump({ directory: join(root, "none"), file }))
      assert.strictEqual(none._tag, "OpenFailed")
      assert.isFalse(existsSync(join(root, "none")))
      writeFileSync(file, "not a copy")
      const broken = yield* Effect.flip(Admin.load({ file, directory: join(root, "broken") }))
      assert.strictEqual(broken._tag, "OpenFailed")
    })
  )

  it.live("is not copied while somebody has it open", () =>
    Effect.gen(function* () {
      const directory = yield* databaseIn
      const dump = Admin.dump({ directory, file: join(yield* folder, "x") })
      const error = yield* Effect.flip(Effect.provide(dump, embedded(directory)))
      assert.strictEqual(error._tag, "DirectoryInUse")
    })
  )
})

describe("the command", () => {
  it.live("says how it is used, and fails where it is not used so", () =>
    Effect.gen(function* () {
      assert.include((yield* command("--help")).out, "lemmings-durable migrate")
      for (const args of [[], ["nothing"], ["dump", "a"], ["dump", "a", "b", "c"], ["migrate", "--no"]]) {
        const { code, err } = yield* command(...args)
        assert.strictEqual(code, 2, args.join(" "))
        assert.include(err, "lemmings-durable dump")
      }
      const { code, err } = yield* command("migrate", "--url", "postgres://nobody@127.0.0.1:1/none")
      assert.strictEqual(code, 1)
      assert.include(err, "unavailable")
    })
  )
})

describe.skipIf(missing.postgres)("roles", () => {
  it.live("one installs, another one that may only read and write rows runs jobs", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const role = `app_${process.pid}`
      const say = (sql: string) =>
        Effect.promise(async () => {
          const client = new Client({ connectionString: url })
          await client.connect()
          await client.query(sql)
          await client.end()
        })
      yield* Effect.acquireRelease(say(`CREATE ROLE ${role} LOGIN PASSWORD '${new URL(url).password}'`), () =>
        say(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      )
      const own = new URL(url)
      own.username = role
      const live = doubling.pipe(
        Layer.provideMerge(Layer.fresh(Jobs.layerPostgres({ url: own.href, lease: "1 second" })))
      )
      // Nobody has installed anything: it is not ready, and comes when somebody has.
      const result = yield* Effect.gen(function* () {
        const before = yield* Jobs.readiness
        assert.isFalse(before.ready)
        assert.strictEqual((yield* command("migrate", "--url", url, "--grant", role)).code, 0)
        yield* eventually(Effect.exit(Jobs.stats(Work)), Exit.isSuccess)
        yield* Jobs.schedule(Work(1), "0 3 * * *")
        yield* Jobs.pause(Work)
        yield* Jobs.resume(Work)
        return yield* Jobs.execute(Work(21))
      }).pipe(Effect.provide(live))
      assert.strictEqual(result, 42)
      // Again, by both: nothing changes.
      yield* Admin.migrate({ url, grant: role })
      const refused = yield* Effect.flip(Admin.migrate({ url: own.href, schema: "other" }))
      assert.strictEqual(refused._tag === "JobStoreError" && refused.reason, "refused")
      const again = Jobs.execute(Work(4)).pipe(
        Effect.provide(doubling.pipe(Layer.provideMerge(Jobs.layerPostgres({ url: own.href }))))
      )
      assert.strictEqual(yield* again, 8)
    })
  )

  it.live("what two releases have installed stands side by side, whichever starts last", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const client = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const one = new Client({ connectionString: url })
          await one.connect()
          return one
        }),
        (one) => Effect.promise(() => one.end())
      )
      const db = { executeSql: (text: string, values?: Array<unknown>) => client.query(text, values) }
      // What another release calls is a function of another name.
      const other = PgBossInstall.make("lemmings", [
        `CREATE TABLE IF NOT EXISTS lemmings.lemmings_of_another (n int);
        CREATE OR REPLACE FUNCTION lemmings.lemmings_claim_0(queue text) RETURNS int LANGUAGE sql AS
          'SELECT count(*)::int FROM lemmings.job_common WHERE name = queue';`
      ])
      const live = () =>
        doubling.pipe(Layer.provideMerge(Layer.fresh(Jobs.layerPostgres({ url, lease: "1 second" }))))
      assert.strictEqual(yield* Effect.provide(Jobs.execute(Work(1)), live()), 2)
      yield* Effect.promise(() => PgBossInstall.install(db, other))
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* Jobs.execute(Work(2)), 4)
        yield* Effect.promise(() => PgBossInstall.install(db, other))
        yield* Admin.migrate({ url })
        assert.strictEqual(yield* Jobs.execute(Work(3)), 6)
      }).pipe(Effect.provide(live()))
      const { rows } = yield* Effect.promise(() =>
        client.query(
          "SELECT lemmings.lemmings_claim_0('Work') AS n, (SELECT count(*)::int FROM lemmings.lemmings_installed) AS releases"
        )
      )
      assert.deepStrictEqual(rows, [{ n: 3, releases: 2 }])
    })
  )

  it.effect("are not installed for where an option is none", () =>
    Effect.gen(function* () {
      const url = "postgres://nobody@127.0.0.1:1/none"
      assert.strictEqual((yield* Effect.flip(Admin.migrate({ url: "http://x" })))._tag, "InvalidConfig")
      assert.strictEqual(
        (yield* Effect.flip(Admin.migrate({ url, schema: "My-Schema" })))._tag,
        "InvalidConfig"
      )
    })
  )
})

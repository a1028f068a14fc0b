/** Jobs in a directory of this machine, or in memory: the store on pg-boss over PGlite. */
import type { PGlite } from "@electric-sql/pglite"
import { Effect, Layer } from "effect"
import { type Db, fromPglite } from "pg-boss"
import * as DirectoryLock from "../pgboss/DirectoryLock.ts"
import * as EmbeddedDirectory from "../pgboss/EmbeddedDirectory.ts"
import * as EmbeddedUpkeep from "../pgboss/EmbeddedUpkeep.ts"
import { OpenFailed } from "../port/JobError.ts"
import { JobStore } from "../port/JobStore.ts"
import * as JobStorePgBoss from "../pgboss/JobStorePgBoss.ts"
import * as PgBossEngine from "../pgboss/PgBossEngine.ts"
import * as PgBossPulse from "../pgboss/PgBossPulse.ts"
import * as PgBossSchedules from "../pgboss/PgBossSchedules.ts"
import * as PgBossSql from "../pgboss/PgBossSql.ts"

/**
 * PGlite, in a directory or in memory, until the scope closes. Loaded when it is asked for: it is large, and not everybody has
 * it. Of a directory that was made before, the tables must be there.
 */
export const open = (directory: string | undefined, from?: Blob) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { PGlite } = await import("@electric-sql/pglite")
        return PGlite.create({
          ...(directory === undefined ? {} : { dataDir: EmbeddedDirectory.dataOf(directory) }),
          ...(from === undefined ? {} : { loadDataDir: from })
        })
      },
      catch: (cause) => new OpenFailed({ directory: directory ?? "memory", cause })
    }),
    (pglite) => PgBossEngine.within(Effect.promise(() => pglite.close().catch(() => {})))
  )

/** Holds a directory and opens what is in it, until the scope closes. */
export const openDirectory = Effect.fnUntraced(function* (directory: string) {
  yield* DirectoryLock.acquire(directory)
  yield* EmbeddedDirectory.check(directory)
  const pglite = yield* open(directory)
  if (!(yield* EmbeddedDirectory.isMade(directory))) return pglite
  return yield* holdsTables(directory, pglite)
})

/** Fails where the tables of jobs are not there. */
export const holdsTables = (directory: string, pglite: PGlite) =>
  Effect.tryPromise({
    try: () => pglite.query<{ there: boolean }>(`SELECT to_regclass($1) IS NOT NULL AS there`, [table]),
    catch: (cause) => new OpenFailed({ directory, cause })
  }).pipe(
    Effect.flatMap(({ rows }) =>
      rows[0]?.there === true ? Effect.succeed(pglite) : Effect.fail(EmbeddedDirectory.emptied(directory))
    )
  )

const table = `${PgBossSql.defaultSchema}.job_common`

/** Statements of a transaction run on its own handle: others wait until it is over. */
const transaction =
  (pglite: PGlite): PgBossEngine.Transact =>
  (_, f) =>
    pglite.transaction((tx) => {
      const db: Db = { executeSql: (text, values) => tx.query(text, values) }
      return f(db)
    })

/** Opens a directory, or memory, in this process. */
export const layer = (options: { readonly directory: string | undefined; readonly leaseMillis: number }) =>
  Layer.effect(
    JobStore,
    Effect.gen(function* () {
      const { directory } = options
      const pglite = yield* directory === undefined ? open(undefined) : openDirectory(directory)
      const engine = yield* PgBossEngine.make(
        { db: fromPglite(pglite), backend: "pglite", schema: PgBossSql.defaultSchema },
        { transaction: transaction(pglite) }
      )
      const { ready, reason } = yield* engine.readiness
      if (!ready) return yield* new OpenFailed({ directory: directory ?? "memory", cause: new Error(reason) })
      if (directory !== undefined) yield* EmbeddedDirectory.made(directory)
      yield* Effect.forkScoped(EmbeddedUpkeep.make(engine))
      const schedules = PgBossSchedules.make(engine)
      yield* Effect.forkScoped(schedules.keep)
      yield* Effect.forkScoped(PgBossPulse.keep(engine, options.leaseMillis))
      return JobStorePgBoss.make(engine, schedules, options.leaseMillis, "pglite")
    })
  )

/**
 * Jobs in a directory of this machine, or in memory: the store on pg-boss over PGlite.
 *
 * @since 0.4.0
 */
import type { PGlite } from "@electric-sql/pglite"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { type Db, fromPglite } from "pg-boss"
import * as DirectoryLock from "../pgboss/DirectoryLock.ts"
import * as EmbeddedUpkeep from "../pgboss/EmbeddedUpkeep.ts"
import { OpenFailed } from "../port/JobError.ts"
import { JobStore } from "../port/JobStore.ts"
import * as JobStorePgBoss from "../pgboss/JobStorePgBoss.ts"
import * as PgBossEngine from "../pgboss/PgBossEngine.ts"
import * as PgBossSchedules from "../pgboss/PgBossSchedules.ts"
import * as PgBossSql from "../pgboss/PgBossSql.ts"

/** PGlite, in a directory or in memory. Loaded when it is asked for: it is large, and not everybody has it. */
const open = (directory: string | undefined) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { PGlite } = await import("@electric-sql/pglite")
        return PGlite.create(directory === undefined ? {} : { dataDir: join(directory, "data") })
      },
      catch: (cause) => new OpenFailed({ directory: directory ?? "memory", cause })
    }),
    (pglite) => PgBossEngine.within(Effect.promise(() => pglite.close().catch(() => {})))
  )

/** Statements of a transaction run on its own handle: others wait until it is over. */
const transaction =
  (pglite: PGlite): PgBossEngine.Transact =>
  (_, f) =>
    pglite.transaction((tx) => {
      const db: Db = { executeSql: (text, values) => tx.query(text, values) }
      return f(db)
    })

/**
 * Opens a directory, or memory, in this process.
 *
 * @category layers
 * @since 0.4.0
 */
export const layer = (options: { readonly directory: string | undefined; readonly leaseMillis: number }) =>
  Layer.effect(
    JobStore,
    Effect.gen(function* () {
      if (options.directory !== undefined) yield* DirectoryLock.acquire(options.directory)
      const pglite = yield* open(options.directory)
      const engine = yield* PgBossEngine.make(
        { db: fromPglite(pglite), backend: "pglite", schema: PgBossSql.defaultSchema },
        { transaction: transaction(pglite) }
      )
      yield* Effect.forkScoped(EmbeddedUpkeep.make(engine))
      const schedules = PgBossSchedules.make(engine)
      yield* Effect.forkScoped(schedules.keep)
      return JobStorePgBoss.make(engine, schedules, options.leaseMillis, "pglite")
    })
  )

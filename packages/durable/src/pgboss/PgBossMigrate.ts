/** Installs all that a store needs in a database, once, for others to use. */
import { Effect } from "effect"
import { PgBoss } from "pg-boss"
import { JobStoreError } from "../port/JobError.ts"
import { bareOf } from "./BareError.ts"
import * as PgBossInstall from "./PgBossInstall.ts"
import * as PgBossSql from "./PgBossSql.ts"
import { kindOf } from "./SqlState.ts"

const errorOf = (url: string) => (cause: unknown) =>
  new JobStoreError({
    operation: "migrate",
    reason: kindOf(cause) === "refused" ? "refused" : "unavailable",
    cause: bareOf(url)(cause)
  })

/** Brings the schema up to this release, and lets a role use it. Done again it changes nothing. */
export const migrate = (options: {
  readonly url: string
  readonly schema: string
  readonly grant: string | undefined
}): Effect.Effect<void, JobStoreError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const boss = new PgBoss({
        connectionString: options.url,
        schema: options.schema,
        max: 2,
        connectionTimeoutMillis: 5_000,
        application_name: "lemmings migrate",
        supervise: false,
        schedule: false
      })
      // Each is told as the end of an operation as well.
      boss.on("error", () => {})
      return boss
    }),
    (boss) =>
      Effect.tryPromise({
        try: async () => {
          await boss.start()
          const db = boss.getDb()
          await PgBossInstall.install(db, PgBossSql.make(options.schema).install)
          if (options.grant !== undefined)
            await db.executeSql(PgBossInstall.grant(options.schema, options.grant))
        },
        catch: errorOf(options.url)
      }),
    (boss) => Effect.promise(() => boss.stop({ graceful: false, close: true }).catch(() => {}))
  )

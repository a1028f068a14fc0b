/** Jobs in a PostgreSQL server: the store on pg-boss over a pool of connections. */
import { Effect, Layer } from "effect"
import type { JobStoreError } from "../port/JobError.ts"
import { JobStore } from "../port/JobStore.ts"
import * as JobStorePgBoss from "../pgboss/JobStorePgBoss.ts"
import * as PgBossEngine from "../pgboss/PgBossEngine.ts"
import * as PgBossMigrate from "../pgboss/PgBossMigrate.ts"
import * as PgBossPulse from "../pgboss/PgBossPulse.ts"
import * as PgBossSchedules from "../pgboss/PgBossSchedules.ts"
import * as PgBossSql from "../pgboss/PgBossSql.ts"

/** As the driver takes them: milliseconds of 32 bits. */
const timeoutsOf = (millis = Infinity) =>
  millis > 2_147_483_647
    ? {}
    : { statement_timeout: Math.ceil(millis), idle_in_transaction_session_timeout: Math.ceil(millis) }

/** Connects to a server. */
export const layer = (options: {
  readonly url: string
  readonly schema: string | undefined
  readonly connections: number | undefined
  readonly statementMillis?: number
  readonly leaseMillis: number
}): Layer.Layer<JobStore> =>
  Layer.effect(
    JobStore,
    Effect.gen(function* () {
      const engine = yield* PgBossEngine.make({
        connectionString: options.url,
        schema: options.schema ?? PgBossSql.defaultSchema,
        max: options.connections ?? 6,
        connectionTimeoutMillis: 5_000,
        application_name: "lemmings",
        ...timeoutsOf(options.statementMillis)
      })
      const schedules = PgBossSchedules.make(engine)
      yield* Effect.forkScoped(schedules.keep)
      yield* Effect.forkScoped(PgBossPulse.keep(engine, options.leaseMillis))
      return JobStorePgBoss.make(engine, schedules, options.leaseMillis, "postgres")
    })
  )

/** Installs what is needed. */
export const migrate = (options: {
  readonly url: string
  readonly schema: string | undefined
  readonly grant: string | undefined
}): Effect.Effect<void, JobStoreError> =>
  PgBossMigrate.migrate({ ...options, schema: options.schema ?? PgBossSql.defaultSchema })

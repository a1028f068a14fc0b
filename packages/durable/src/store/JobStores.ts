/**
 * Which store there is, and what it can be told.
 *
 * @since 0.5.0
 */
import { type Duration, Effect, Layer, type Redacted } from "effect"
import type { InvalidConfig } from "lemmings"
import type { DirectoryInUse, JobStoreError, OpenFailed } from "../port/JobError.ts"
import type { JobStore } from "../port/JobStore.ts"
import * as Settings from "../port/Settings.ts"
import * as JobStoreMemory from "./JobStoreMemory.ts"

// Loaded when their layer is built: who keeps jobs in memory needs no driver, no PGlite, no SQLite.
const embeddedStore = Effect.promise(() => import("./EmbeddedStore.ts"))
const postgresStore = Effect.promise(() => import("./PostgresStore.ts"))

/**
 * What all stores can be told.
 *
 * @category models
 * @since 0.4.0
 */
export interface StoreOptions {
  /**
   * How long a job may be without a sign of life of the process that runs it, before it is given to another one. Signs come
   * three times in that. A job of a process that was killed runs again within `lease` and a third. At least 1 second, the same
   * for all processes of a store. Defaults to 15 seconds.
   */
  readonly lease?: Duration.Input | undefined
}

/**
 * @category models
 * @since 0.5.0
 */
export interface EmbeddedOptions extends StoreOptions {
  /** Where jobs are kept; made where it is not there. Defaults to memory. */
  readonly directory?: string | undefined
}

/**
 * @category models
 * @since 0.5.0
 */
export interface PostgresOptions extends StoreOptions {
  /** Such as `postgres://user:password@host:5432/database`. No error and no log line repeats it. */
  readonly url: string | Redacted.Redacted
  /** Where tables are made: lower-case letters, digits and `_`. Defaults to `"lemmings"`. */
  readonly schema?: string | undefined
  /**
   * Most connections, and one more to listen. Defaults to 6. Two of them are for claims, leases and settlements alone, so that
   * no number of other askers ends the lease of a running job.
   */
  readonly connections?: number | undefined
  /**
   * Longest that the server works on one statement, and longest that a transaction of ours may stand still: at least 1 second.
   * `Infinity`: what the role or the server says. A pooler must let the parameters `statement_timeout` and
   * `idle_in_transaction_session_timeout` pass. Defaults to 30 seconds, which is as long as an operation is waited for.
   */
  readonly statementTimeout?: Duration.Input | undefined
}

/** The layer of what the options say, when they could be read. */
const over = <A, E>(read: () => A, store: (options: A) => Effect.Effect<Layer.Layer<JobStore, E>>) =>
  Layer.unwrap(Effect.flatMap(Effect.try({ try: read, catch: (error) => error as InvalidConfig }), store))

export const memory = (options: StoreOptions): Layer.Layer<JobStore, InvalidConfig> =>
  over(
    () => Settings.store.lease.decode(options.lease),
    (leaseMillis) => Effect.succeed(JobStoreMemory.layer(leaseMillis))
  )

export const embedded = (
  options: EmbeddedOptions
): Layer.Layer<JobStore, InvalidConfig | DirectoryInUse | OpenFailed> =>
  over(
    () => ({
      directory: Settings.embedded.directory.decode(options.directory),
      leaseMillis: Settings.store.lease.decode(options.lease)
    }),
    (settings) => Effect.map(embeddedStore, ({ layer }) => layer(settings))
  )

export const postgres = (options: PostgresOptions): Layer.Layer<JobStore, InvalidConfig> =>
  over(
    () => ({
      url: Settings.postgres.url.decode(options.url),
      schema: Settings.postgres.schema.decode(options.schema),
      connections: Settings.postgres.connections.decode(options.connections),
      statementMillis: Settings.postgres.statementTimeout.decode(options.statementTimeout),
      leaseMillis: Settings.store.lease.decode(options.lease)
    }),
    (settings) => Effect.map(postgresStore, ({ layer }) => layer(settings))
  )

/** Installs what a store in PostgreSQL needs. See `Admin.migrate`. */
export const migrate = ({
  grant,
  schema,
  url
}: {
  readonly url: string | Redacted.Redacted
  readonly schema?: string | undefined
  readonly grant?: string | undefined
}): Effect.Effect<void, InvalidConfig | JobStoreError> =>
  Effect.gen(function* () {
    const settings = yield* Effect.try({
      try: () => ({
        url: Settings.postgres.url.decode(url),
        schema: Settings.postgres.schema.decode(schema),
        grant
      }),
      catch: (error) => error as InvalidConfig
    })
    const store = yield* postgresStore
    yield* store.migrate(settings)
  })

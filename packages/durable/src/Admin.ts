/**
 * What an operator does to a store: install it, copy an embedded one, and make one of a copy. The command `lemmings-durable`
 * does the same.
 *
 * @since 0.5.0
 */
import { Effect } from "effect"
import type { InvalidConfig } from "lemmings"
import type { DirectoryInUse, JobStoreError, OpenFailed } from "./port/JobError.ts"
import * as JobStores from "./store/JobStores.ts"

// Loaded when they are asked for, as the stores are.
const backup = Effect.promise(() => import("./store/EmbeddedBackup.ts"))

/**
 * What is installed, and for whom.
 *
 * @category models
 * @since 0.5.0
 */
export interface MigrateOptions extends Pick<JobStores.PostgresOptions, "url" | "schema"> {
  /** A role that may use what is installed: it reads and writes rows, and makes and changes no tables. Defaults to none. */
  readonly grant?: string | undefined
}

/**
 * Installs the tables and functions of this release in a PostgreSQL database, or brings them up to it, as a role that may make
 * them. Done again it changes nothing. Processes of the release before go on beside it.
 *
 * Where nobody has done it, `Jobs.layerPostgres` does it by itself, if its role may.
 *
 * *Errors*: `JobStoreError` with `unavailable` where the database cannot be reached, and `refused` where the role may not.
 *
 * @category operations
 * @since 0.5.0
 */
export const migrate = (options: MigrateOptions): Effect.Effect<void, InvalidConfig | JobStoreError> =>
  JobStores.migrate(options)

/**
 * Writes all that an embedded store holds into one file, which is whole at any time. Nobody may have the directory open.
 *
 * *Errors*: `DirectoryInUse` where somebody has; `OpenFailed` where there is no store, it is damaged, or the file cannot be
 * written.
 *
 * @category operations
 * @since 0.5.0
 */
export const dump = (options: {
  readonly directory: string
  readonly file: string
}): Effect.Effect<void, DirectoryInUse | OpenFailed> =>
  Effect.flatMap(backup, (module) => module.dump(options.directory, options.file))

/**
 * Makes an embedded store of what `dump` has written. The directory is made where it is not there, and must be empty. The file
 * must be of a PGlite with the same major version of PostgreSQL.
 *
 * *Errors*: `OpenFailed` where the directory holds something, or the file is not what `dump` writes.
 *
 * @category operations
 * @since 0.5.0
 */
export const load = (options: {
  readonly file: string
  readonly directory: string
}): Effect.Effect<void, DirectoryInUse | OpenFailed> =>
  Effect.flatMap(backup, (module) => module.load(options.file, options.directory))

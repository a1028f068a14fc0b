/**
 * One process in a directory.
 *
 * @since 0.4.0
 */
import { Effect } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { DirectoryInUse, OpenFailed } from "../port/JobError.ts"

const busy = /database is locked|SQLITE_BUSY/

/**
 * Holds the directory until the scope closes. Makes it where it is not there.
 *
 * The lock is the operating system's, on a file, and goes with the process that has it, however that ends. Node.js has
 * no call for such a lock; SQLite takes one on every platform.
 *
 * @category constructors
 * @since 0.4.0
 */
export const acquire = (directory: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        mkdirSync(directory, { recursive: true })
        const lock = new DatabaseSync(join(directory, "lock"))
        try {
          lock.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE")
        } catch (error) {
          lock.close()
          throw error
        }
        return lock
      },
      catch: (cause) =>
        cause instanceof Error && busy.test(cause.message)
          ? new DirectoryInUse({ directory })
          : new OpenFailed({ directory, cause })
    }),
    (lock) => Effect.sync(() => lock.close())
  )

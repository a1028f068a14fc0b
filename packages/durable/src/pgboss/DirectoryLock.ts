/** One process in a directory, and nobody else's eyes on it. */
import { Effect } from "effect"
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { DirectoryInUse, OpenFailed } from "../port/JobError.ts"

const busy = /database is locked|SQLITE_BUSY/

/** Windows has no such bits: there a directory has the rights of the one that it is in. */
const hasModes = process.platform !== "win32"

const [owner, groupWrites, othersWrite, sticky] = [0o700, 0o020, 0o002, 0o1000]

/**
 * Makes the directory, or looks at the one that is there. What is in it is for its owner alone: whoever can read it reads the
 * jobs, and whoever can write it owns them. Returns what is wrong with the directory that these files are in.
 */
const enclose = (directory: string): string | undefined => {
  mkdirSync(directory, { recursive: true, mode: owner })
  mkdirSync(join(directory, "data"), { recursive: true, mode: owner })
  if (!hasModes) return undefined
  const { mode, uid } = statSync(directory)
  if ((mode & othersWrite) !== 0 && (mode & sticky) === 0)
    throw new Error(`everybody can write to it: "chmod go-w ${directory}"`)
  const data = statSync(join(directory, "data"))
  // Made by an earlier release, with whatever rights new directories have.
  if ((data.mode & 0o077) !== 0) chmodSync(join(directory, "data"), owner)
  closeSync(openSync(join(directory, "lock"), "a", 0o600))
  if ((statSync(join(directory, "lock")).mode & 0o077) !== 0) chmodSync(join(directory, "lock"), 0o600)
  const me = process.getuid?.()
  if (me !== undefined && uid !== me && uid !== 0) return "another user owns it"
  return (mode & groupWrites) === 0 ? undefined : "its group can write to it"
}

/**
 * Holds the directory until the scope closes. Makes it where it is not there, for its owner alone. Fails with `OpenFailed` where
 * everybody can write to it, and warns where a group can.
 *
 * The lock is the operating system's, on a file, and goes with the process that has it, however that ends. Node.js has
 * no call for such a lock; SQLite takes one on every platform.
 */
export const acquire = (directory: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const wrong = enclose(directory)
        const lock = new DatabaseSync(join(directory, "lock"))
        try {
          lock.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE")
        } catch (error) {
          lock.close()
          throw error
        }
        return { lock, wrong }
      },
      catch: (cause) =>
        cause instanceof Error && busy.test(cause.message)
          ? new DirectoryInUse({ directory })
          : new OpenFailed({ directory, cause })
    }),
    ({ lock }) => Effect.sync(() => lock.close())
  ).pipe(
    Effect.tap(({ wrong }) =>
      wrong === undefined
        ? Effect.void
        : Effect.logWarning(
            `The job store in ${directory} is not private: ${wrong}. Who owns it owns the jobs.`
          )
    ),
    Effect.asVoid
  )

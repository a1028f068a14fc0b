/**
 * What a directory of jobs says about itself, so that one that is damaged is never taken for a new one.
 *
 * **Details**
 *
 * PGlite makes a database wherever it finds none, and pg-boss its tables, also where both were there once and a file has gone.
 * So a file of our own, beside the database, says whether it is being made for the first time (`making`: nothing was stored
 * yet, and it may be made again) or was made (`made`: from then on whatever is not there is missing).
 */
import { Effect } from "effect"
import {
  closeSync,
  existsSync,
  mkdirSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { OpenFailed } from "../port/JobError.ts"

/** Where the database is in a directory of jobs. */
export const dataOf = (directory: string): string => join(directory, "data")

const markerOf = (directory: string): string => join(directory, "lemmings.json")

type State = "making" | "made"

/** Without these PostgreSQL does not start, or PGlite makes a new database. */
const needed = [
  "PG_VERSION",
  "base",
  "global",
  "global/pg_control",
  "global/pg_filenode.map",
  "pg_wal",
  "pg_xact"
]

const write = (directory: string, state: State) => {
  const file = markerOf(directory)
  const next = `${file}.new`
  const handle = openSync(next, "w", 0o600)
  try {
    writeSync(handle, `${JSON.stringify({ store: "lemmings", format: 1, state })}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(next, file)
}

/** `undefined`: there is none, as in a directory that is new. */
const read = (directory: string): State | undefined => {
  const file = markerOf(directory)
  if (!existsSync(file)) return undefined
  const { format, state, store } = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>
  if (store !== "lemmings" || (state !== "making" && state !== "made")) throw new Error(`${file} is damaged`)
  if (format !== 1) throw new Error(`${file} is of a later release of @lemmings/durable`)
  return state
}

const holdsData = (directory: string) => {
  const data = dataOf(directory)
  return existsSync(data) && readdirSync(data).length > 0
}

/** Whether it is not a new one. */
export const holdsSomething = (directory: string): boolean =>
  existsSync(markerOf(directory)) || holdsData(directory)

const missing = (directory: string): string | undefined => {
  const data = dataOf(directory)
  const found = needed.find((name) => !existsSync(join(data, name)))
  if (found !== undefined) return found
  const databases = readdirSync(join(data, "base")).filter((name) => /^\d+$/.test(name))
  if (databases.length === 0) return "base"
  return databases
    .map((name) => join("base", name, "PG_VERSION"))
    .find((name) => !existsSync(join(data, name)))
}

const backup = "Restore a backup of the whole directory."

const prepare = (directory: string) => {
  const state = read(directory)
  // Killed while it was made: nothing was accepted before it said that it is.
  if (state === "making") {
    rmSync(dataOf(directory), { recursive: true, force: true })
    mkdirSync(dataOf(directory), { mode: 0o700 })
  }
  if (state === "made" || (state === undefined && holdsData(directory))) {
    const gone = missing(directory)
    if (gone !== undefined) throw new Error(`it is damaged: ${join("data", gone)} is missing. ${backup}`)
    return
  }
  write(directory, "making")
}

const attempt = <A>(directory: string, f: () => A) =>
  Effect.try({ try: f, catch: (cause) => new OpenFailed({ directory, cause }) })

/**
 * Before the database is opened: fails where something is missing that was there, and says so of a new directory that it is
 * being made. Only who holds the directory may do this.
 */
export const check = (directory: string): Effect.Effect<void, OpenFailed> =>
  attempt(directory, () => prepare(directory))

/** Whether there was a good start before. */
export const isMade = (directory: string): Effect.Effect<boolean, OpenFailed> =>
  attempt(directory, () => read(directory) === "made")

/** After the first good start. From now on nothing is made anew here. */
export const made = (directory: string): Effect.Effect<void, OpenFailed> =>
  attempt(directory, () => {
    if (read(directory) !== "made") write(directory, "made")
  })

/** What a directory says that has lost its tables. */
export const emptied = (directory: string): OpenFailed =>
  new OpenFailed({ directory, cause: new Error(`it is damaged: its tables are missing. ${backup}`) })

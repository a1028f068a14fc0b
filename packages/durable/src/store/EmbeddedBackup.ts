/** The whole of an embedded store as one file, and back. */
import { Effect } from "effect"
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs"
import * as DirectoryLock from "../pgboss/DirectoryLock.ts"
import * as EmbeddedDirectory from "../pgboss/EmbeddedDirectory.ts"
import { OpenFailed } from "../port/JobError.ts"
import * as EmbeddedStore from "./EmbeddedStore.ts"

const failing = (directory: string) => (cause: unknown) => new OpenFailed({ directory, cause })

/** On the disk when it returns; a file of that name is whole at any time. */
const save = (file: string, bytes: Uint8Array) => {
  const next = `${file}.new`
  const handle = openSync(next, "w", 0o600)
  try {
    for (let written = 0; written < bytes.length;) written += writeSync(handle, bytes, written)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(next, file)
}

/** Writes what a directory holds into a file. No process may have it open. */
export const dump = Effect.fnUntraced(function* (directory: string, file: string) {
  if (!existsSync(directory)) return yield* failing(directory)(new Error("there is no such directory"))
  const pglite = yield* EmbeddedStore.openDirectory(directory)
  yield* EmbeddedStore.holdsTables(directory, pglite)
  yield* Effect.tryPromise({
    try: async () => save(file, new Uint8Array(await (await pglite.dumpDataDir("gzip")).arrayBuffer())),
    catch: failing(directory)
  })
}, Effect.scoped)

/** Makes a directory of what `dump` has written. There must be nothing in it. */
export const load = Effect.fnUntraced(function* (file: string, directory: string) {
  const bytes = yield* Effect.try({
    try: () => new Uint8Array(readFileSync(file)),
    catch: failing(directory)
  })
  yield* DirectoryLock.acquire(directory)
  if (EmbeddedDirectory.holdsSomething(directory))
    return yield* failing(directory)(new Error("there is something in the directory already"))
  // Until it is there whole it is one that is being made.
  yield* EmbeddedDirectory.check(directory)
  const pglite = yield* EmbeddedStore.open(directory, new Blob([bytes]))
  yield* EmbeddedStore.holdsTables(directory, pglite)
  yield* EmbeddedDirectory.made(directory)
}, Effect.scoped)

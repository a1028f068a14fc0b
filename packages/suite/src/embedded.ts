/**
 * A PGlite database for a test of its own, copied from one that is made once in a run: making one takes more than a second of
 * CPU. A test of how a directory is made begins with an empty one instead.
 */
import { Effect, type Scope } from "effect"
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { ask } from "./shared.ts"

const run = promisify(execFile)

/** A new directory that only this user reads, with an empty database in its `data`, until the scope closes. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function* () {
  const template = yield* ask("embedded")
  const path = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "lemmings-embedded-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
  )
  yield* Effect.promise(() => run("cp", ["-R", template, join(path, "data")]))
  return path
})

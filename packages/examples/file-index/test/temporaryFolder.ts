import { Effect } from "effect"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A folder of its own for each test, removed with the test's scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "lemmings-file-index-")))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

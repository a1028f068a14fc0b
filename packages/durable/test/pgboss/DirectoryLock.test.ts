import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DirectoryLock from "../../src/pgboss/DirectoryLock.ts"

const modeOf = (path: string) => statSync(path).mode & 0o777

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-lock-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** What new files and folders would have otherwise. */
const generously = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => process.umask(0o022)),
    () => effect,
    (before) => Effect.sync(() => process.umask(before))
  )

describe.skipIf(process.platform === "win32")("the directory of an embedded store", () => {
  it.live("is for its owner alone, with all that is in it", () =>
    Effect.gen(function* () {
      const directory = join(yield* folder, "new", "jobs")
      yield* DirectoryLock.acquire(directory)
      assert.strictEqual(modeOf(directory), 0o700)
      assert.strictEqual(modeOf(join(directory, "data")), 0o700)
      assert.strictEqual(modeOf(join(directory, "lock")), 0o600)
    }).pipe(generously)
  )

  it.live("of an earlier release is closed to others", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      mkdirSync(join(directory, "data"))
      writeFileSync(join(directory, "lock"), "")
      chmodSync(directory, 0o775)
      yield* DirectoryLock.acquire(directory)
      assert.strictEqual(modeOf(join(directory, "data")), 0o700)
      assert.strictEqual(modeOf(join(directory, "lock")), 0o600)
    }).pipe(generously)
  )

  it.live("is refused where everybody can write to it", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      chmodSync(directory, 0o777)
      const error = yield* Effect.flip(DirectoryLock.acquire(directory))
      assert.strictEqual(error._tag, "OpenFailed")
      assert.match(error.message, /everybody can write to it/)
    })
  )
})

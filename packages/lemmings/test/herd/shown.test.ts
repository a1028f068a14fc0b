// The compiler writes inferred types into declarations as an editor shows them: with the names of aliases where it has them.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "../../../..")
const fixture = "packages/lemmings/test/support/shown"

/** By name, what the compiler writes for the exports of the fixture, without where the names come from. */
const shown = (): Record<string, string> => {
  const scratch = mkdtempSync(join(tmpdir(), "lemmings-shown-"))
  try {
    const config = {
      extends: join(root, "tsconfig.base.json"),
      compilerOptions: {
        composite: false,
        incremental: false,
        emitDeclarationOnly: true,
        declarationMap: false,
        rootDir: root,
        outDir: scratch,
        typeRoots: [join(root, "node_modules/@types")]
      },
      files: [join(root, `${fixture}.ts`)]
    }
    writeFileSync(join(scratch, "tsconfig.json"), JSON.stringify(config))
    const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", scratch], {
      encoding: "utf8"
    })
    assert.strictEqual(status, 0, stdout)
    const text = readFileSync(join(scratch, `${fixture}.d.ts`), "utf8")
    const calls = text
      .replaceAll(/import\("[^"]*"\)\.|\b(Effect|Herd|ResourcePool)\.(?=\w)|\s+(?=\s)/g, "")
      .replaceAll("\n", " ")
    return Object.fromEntries(
      [...calls.matchAll(/export declare const (\w+): (.+?);(?= export | *$)/g)].map(([, name, type]) => [
        name!,
        type!
      ])
    )
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

describe("what an editor shows of a call", () => {
  it(
    "are the errors themselves, and no name for them, whatever the task's own errors are",
    { timeout: 60_000 },
    () => {
      const types = shown()
      const full = "HerdClosed | QueueFull"
      const busy = "AcquireTimeout | PoolClosed | QueueFull"
      assert.deepStrictEqual(types, {
        lemmings: "Effect<number, HerdClosed, Lemmings>",
        plain: "Effect<number, HerdClosed, Plain>",
        rejecting: `Effect<number, ${full}, Rejecting>`,
        rejectingOwn: `Effect<never, "own" | ${full}, Rejecting>`,
        rejectingLimits: `Effect<number, DeadlineExceeded | ${full} | TaskTimeout, Rejecting>`,
        dropping: "Effect<number, HerdClosed | TaskShed, Dropping>",
        limited: `Effect<number, ${full} | RateLimited | TaskShed, Limited>`,
        submitted: `Effect<TaskHandle<number, ${full}>, ${full}, Rejecting>`,
        offered: `Effect<TaskHandle<number, ${full}>, ${full}, Rejecting>`,
        now: `Effect<number, ${full} | ResourceUnavailable, Rejecting>`,
        all: `Effect<[number, number], ${full}, Rejecting>`,
        record: `Effect<{ one: number; own: never; }, "own" | ${full}, Rejecting>`,
        settled: `Effect<[Failure<number, ${full}> | Success<number, ${full}>], never, Rejecting>`,
        used: `Effect<number, ${busy}, Db>`,
        usedOwn: `Effect<never, "own" | ${busy}, Db>`,
        acquired: `Effect<number, ${busy}, Db | Scope>`,
        program: "Effect<number, HerdClosed | InvalidConfig | QueueFull, Rejecting>"
      })
    }
  )
})

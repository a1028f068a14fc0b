import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

/** Runs a program in a process of its own, and fails when it does not exit by itself. */
const output = (file: string) =>
  Effect.callback<string, Error>((resume) => {
    const child = execFile(
      process.execPath,
      ["--expose-gc", fileURLToPath(new URL(file, import.meta.url))],
      { timeout: 60_000 },
      (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
    )
    return Effect.sync(() => child.kill())
  })

describe("a million tasks through one herd", () => {
  // A real process with a real heap, and a real exit.
  it.live("leave the heap flat, and the process ends by itself", () =>
    Effect.gen(function* () {
      const figures: Record<string, number> = JSON.parse(yield* output("./million.ts"))

      assert.strictEqual(figures["submitted"], 1_000_000)
      assert.strictEqual(figures["succeeded"], 1_000_000)
      // 800,000 tasks lie between the two readings: 2 bytes a task would show.
      assert.isBelow((figures["after"] ?? Infinity) - (figures["before"] ?? 0), 1_600_000)
    })
  )
})

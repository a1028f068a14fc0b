import { assert, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { rounds } from "@lemmings/suite/rounds"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Soaked } from "./jobs.ts"

const total = rounds(10_000, 30_000)

// Without being pruned and vacuumed the table takes 1,460 bytes a job, and is twice as large at the end as in the middle.
it.live.skipIf(missing.postgres)(
  "a steady stream of jobs leaves the table and the heap as large as they were, and the process ends by itself",
  () =>
    Effect.gen(function* () {
      const program = fileURLToPath(new URL("jobs.ts", import.meta.url))
      const output = yield* Effect.callback<string, Error>((resume) => {
        const child = execFile(
          process.execPath,
          ["--expose-gc", program, "postgres", String(total), "1000", "1s"],
          { timeout: 200_000 },
          (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
        )
        return Effect.sync(() => child.kill())
      })
      const { failed, sizes, succeeded }: Soaked = JSON.parse(output.trim().split("\n").at(-1) ?? "")

      assert.strictEqual(succeeded, total - total / 100)
      assert.strictEqual(failed, total / 100)
      assert.isBelow(Math.max(...sizes.map(({ table }) => table)), 700 * total)
      const heapAt = (part: number) => sizes[Math.round(part * sizes.length) - 1]?.heap ?? NaN
      // A payload is 200 bytes.
      assert.isBelow(heapAt(1) - heapAt(0.5), (200 * total) / 2)
    })
)

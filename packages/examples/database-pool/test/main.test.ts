import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("database-pool", () => {
  it("answers every query although two connections break", async () => {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [main])
    const lines = stdout.trimEnd().split("\n")

    // The two workers recover at the same time, in no order.
    assert.deepStrictEqual(
      lines.filter((line) => !line.startsWith("  worker")),
      [
        "First round: 100 of 100 answered",
        "Two connections broke:",
        "Second round: 100 of 100 answered",
        "A wrong query fails with QueryFailed, and its worker stays",
        "2 tasks queued again, 6 connections opened, 6 destroyed, 0 leaked"
      ]
    )
    assert.deepStrictEqual(lines.filter((line) => line.startsWith("  worker")).toSorted(), [
      "  worker 1 has a new connection",
      "  worker 1 is unhealthy, its task waits for another",
      "  worker 2 has a new connection",
      "  worker 2 is unhealthy, its task waits for another"
    ])
    assert.strictEqual(stderr, "")
  })
})

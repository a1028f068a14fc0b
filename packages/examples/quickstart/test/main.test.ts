import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("quickstart", () => {
  it("prints the same five lines in every run, and ends by itself", async () => {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [main])

    assert.deepStrictEqual(stdout.trimEnd().split("\n"), [
      "tasker: 10 + 25 = 35, 100 - 40 = 60, 1 + 2 = 3",
      "gofherd: 1 succeeded 10, 2 succeeded 11, 3 succeeded 12, 4 succeeded 13, 5 succeeded 14, " +
        "6 succeeded 15, 7 succeeded 16, 8 succeeded 17, 9 succeeded 18, 10 succeeded 19",
      "loomy: 1 4 9 16 25, then Failure Success",
      "semstreams: 50 done, 0 lost, after waiting for a full queue",
      "lemmings: task-1 completed, task-2 completed, task-3 completed; succeeded 3, failed 0, retried 3"
    ])
    assert.strictEqual(stderr, "")
  })
})

import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Runs the example, and returns what it prints. */
export const run = (url: string | undefined) =>
  Effect.promise(async () => {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [main], {
      env: { ...process.env, DATABASE_URL: url }
    })
    assert.strictEqual(stderr, "")
    return stdout
  })

export const assertStory = (story: string) => {
  const figure = (pattern: RegExp) => Number(pattern.exec(story)?.[1])
  assert.strictEqual(figure(/^enqueued +(\d+), [\d.]+ s after/m), 200)
  const killed = figure(/^killed .* (\d+) delivered$/m)
  assert.isAtLeast(killed, 80)
  assert.isBelow(killed, 200)
  assert.strictEqual(figure(/^restarted .* (\d+) jobs/m), 200)
  assert.strictEqual(figure(/^done +(\d+) /m), 200)
  assert.strictEqual(figure(/lost (\d+)$/m), 0)
  // Those of the killed process alone: eight at work, and what had ended and was not written yet.
  assert.isAtMost(figure(/^delivered +(\d+) twice/m), killed)
}
